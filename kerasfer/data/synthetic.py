"""Rendered faces: expressions, action units and subjects that are known, at no cost.

For demonstrations, tests and studies where no data set can be downloaded. A face is a
function of the seed and its number: `render(10, seed=0)` are the first ten faces of
`render(1000, seed=0)`. Labels and parameters are the same on every machine, pixels the
same for one version of OpenCV and within a grey level across versions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasfer.action_units import EMOTIONET
from kerasfer.data.face_drawing import Pen, draw_face
from kerasfer.data.manifest import Manifest
from kerasfer.vision.images import EXPRESSIONS, cv2, resize, with_channels

ACTION_UNITS = tuple(int(name.removeprefix("AU")) for name in EMOTIONET)
DOMAINS = ("posed", "wild")

# Expression -> action unit -> (chance that it takes part, intensity relative to the
# face's). After the EMFACS-type prototypes, restricted to the twelve units: sadness has
# no AU15 among them and pulls its mouth down by AU17; contempt is a one-sided AU12.
_PROTOTYPES = {
    "neutral": {},
    "happiness": {6: (0.9, 0.9), 12: (1.0, 1.0), 25: (0.65, 0.9)},
    "surprise": {
        1: (1.0, 1.0),
        2: (1.0, 1.0),
        5: (0.9, 0.9),
        25: (1.0, 1.0),
        26: (0.9, 0.9),
    },
    "sadness": {1: (1.0, 0.9), 4: (0.9, 0.7), 17: (0.95, 0.9), 43: (0.4, 0.35)},
    "anger": {4: (1.0, 1.0), 5: (0.8, 0.7), 17: (0.5, 0.5), 25: (0.25, 0.5)},
    "disgust": {9: (1.0, 1.0), 4: (0.5, 0.5), 17: (0.6, 0.6), 25: (0.3, 0.5)},
    "fear": {
        1: (1.0, 1.0),
        2: (0.85, 0.7),
        4: (0.9, 0.7),
        5: (1.0, 1.0),
        20: (1.0, 1.0),
        25: (0.9, 0.8),
        26: (0.35, 0.4),
    },
    "contempt": {12: (1.0, 0.85)},
}
_SKINS = (
    (247, 214, 190),
    (232, 190, 160),
    (205, 158, 124),
    (160, 112, 82),
    (104, 70, 52),
)
_HAIRS = ((32, 24, 22), (70, 46, 30), (120, 82, 48), (196, 160, 104), (150, 148, 146))
_IRISES = ((70, 44, 30), (84, 110, 70), (80, 110, 150))


def render(
    num_faces: int,
    seed: int,
    size: int = 48,
    channels: int = 3,
    domain: str = "wild",
    class_weights: Sequence[float] | None = None,
    intensity: tuple[float, float] = (0.5, 1.0),
    num_subjects: int = 1000,
    label_noise: float = 0.0,
    first: int = 0,
) -> Any:
    """Draws faces.

    Args:
        num_faces: how many.
        seed: non-negative int.
        size: side in pixels, 48 to 224.
        channels: 3 (RGB) or 1 (grey).
        domain: "posed": frontal, even light, plain background, little noise; "wild":
            roll, yaw, side light, blur, noise, occlusion.
        class_weights: (8,) relative frequency of each of
            `kerasfer.vision.images.EXPRESSIONS`; None draws them equally often.
        intensity: (lowest, highest) of the expression, in [0, 1]; low ones make classes
            overlap.
        num_subjects: identities to draw from; the same ones for the same seed.
        label_noise: chance that a label is replaced by one of the other seven. Action
            units stay those of the face.
        first: number of the first face.

    Returns:
        images, uint8 (num_faces, size, size, channels);
        labels, int32 (num_faces,), indices into `kerasfer.vision.images.EXPRESSIONS`;
        action units, float32 (num_faces, 12) in [0, 1], those of `ACTION_UNITS`;
        subjects, int32 (num_faces,).

    Raises:
        ValueError: an argument out of its range.

    >>> images, labels, action_units, subjects = render(8, seed=0)
    >>> images.shape
    (8, 48, 48, 3)
    """
    weights = _check(size, channels, domain, class_weights, intensity, label_noise)
    thresholds = np.cumsum(weights) / np.sum(weights)
    images = np.empty((num_faces, size, size, channels), np.uint8)
    labels = np.empty(num_faces, np.int32)
    units = np.zeros((num_faces, len(ACTION_UNITS)), np.float32)
    subjects = np.empty(num_faces, np.int32)
    for i in range(num_faces):
        draws = _Draws([seed, 1, first + i])
        label = int(np.searchsorted(thresholds, draws.uniform(), side="right"))
        label = min(label, len(EXPRESSIONS) - 1)
        subjects[i] = draws.below(num_subjects)
        au = _action_units(EXPRESSIONS[label], draws, intensity)
        look = _look(_Draws([seed, 2, int(subjects[i])]))
        images[i] = _image(look, au, draws, size, channels, domain)
        units[i] = [au[number] for number in ACTION_UNITS]
        if draws.uniform() < label_noise:
            label = (label + 1 + draws.below(len(EXPRESSIONS) - 1)) % len(EXPRESSIONS)
        labels[i] = label
    return images, labels, units, subjects


def render_manifest(
    num_faces: int, seed: int, test_share: float = 0.2, **options: Any
) -> Manifest:
    """Rendered faces as a `kerasfer.data.Manifest` in memory.

    Args:
        num_faces, seed, and further options: of `render`.
        test_share: the last faces, as the part "test"; subjects may be in both parts.

    >>> len(render_manifest(16, seed=0))
    16
    """
    images, labels, units, _subjects = render(num_faces, seed, **options)
    in_test = np.arange(num_faces) >= round(num_faces * (1 - test_share))
    return Manifest(
        names=np.array([f"face_{i:07d}" for i in range(num_faces)]),
        labels=labels,
        class_names=EXPRESSIONS,
        action_units=units,
        au_names=EMOTIONET,
        subjects=None,
        parts=np.where(in_test, "test", "train"),
        images=images,
    )


class _Draws:
    """Uniform numbers, and what is made of them alone: NumPy may change how it draws
    from other distributions, not these."""

    def __init__(self, seed):
        self.generator = np.random.Generator(np.random.PCG64(seed))

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * float(self.generator.random())

    def below(self, count):
        return int(self.generator.random() * count)

    def of(self, choices):
        return choices[self.below(len(choices))]

    def bell(self, spread):
        """About normal with deviation `spread`: the sum of three uniform numbers."""
        return spread * 2.0 * (self.generator.random(3).sum() - 1.5)


def _action_units(expression, draws, intensity):
    """Intensities by number, and "skew", the one-sidedness of AU12."""
    strength = draws.uniform(*intensity)
    # A little of everything: people move, and annotators see it.
    au = {number: max(0.0, draws.bell(0.07) - 0.03) for number in ACTION_UNITS}
    for number in ACTION_UNITS:
        chance, share = _PROTOTYPES[expression].get(number, (0.0, 0.0))
        takes_part = draws.uniform() < chance
        level = strength * share * (1 + draws.bell(0.18))
        if takes_part:
            au[number] = max(au[number], level)
    au = {number: float(np.clip(value, 0.0, 1.0)) for number, value in au.items()}
    side = 1.0 if draws.uniform() < 0.5 else -1.0
    au["skew"] = side if expression == "contempt" else 0.0
    return au


def _look(draws):
    """The traits of a subject."""
    skin = np.array(draws.of(_SKINS)) * draws.uniform(0.93, 1.05)
    hair_color = np.array(draws.of(_HAIRS)) * draws.uniform(0.8, 1.2)
    hair = draws.of(("short", "short", "long", "long", "bald"))
    return {
        "skin": skin,
        "hair_color": hair_color,
        "hair": hair,
        "hairline": draws.uniform(-0.72, -0.56),
        "parting": draws.uniform(-0.4, 0.4),
        "width": draws.uniform(0.68, 0.78),
        "jaw": draws.uniform(0.08, 0.26),
        "age": draws.uniform(),
        "eye": draws.uniform(0.85, 1.15),
        "iris": draws.of(_IRISES),
        "lashes": draws.uniform(0.8, 1.4),
        "brow_height": draws.uniform(-0.03, 0.03),
        "brow_width": draws.uniform(0.045, 0.085),
        "brow_color": hair_color * 0.7,
        "nose": draws.uniform(0.1, 0.15),
        "mouth": draws.uniform(0.26, 0.33),
        "lip": draws.uniform(0.05, 0.085),
        "lips": skin * np.array([0.86, 0.6, 0.6]),
        "glasses": draws.uniform() < 0.2,
        "beard": draws.uniform(0.3, 0.75)
        if hair != "long" and draws.uniform() < 0.3
        else 0,
        "shirt": [draws.uniform(40, 220) for _ in range(3)],
    }


def _image(look, au, draws, size, channels, domain):
    wild = 1.0 if domain == "wild" else 0.25
    side = max(160, 2 * size)
    pen = Pen(
        side,
        zoom=0.54 * (1 + draws.bell(0.04 * wild)),
        roll=draws.bell(0.08 * wild),
        yaw=draws.bell(0.18 * wild),
        background=_background(draws, side, wild),
    )
    pen.middle = pen.middle + side * np.array([draws.bell(0.015), draws.bell(0.015)])
    draw_face(pen, look, au)
    if domain == "wild" and draws.uniform() < 0.12:
        _occlude(pen.canvas, draws)
    image = _lit(pen.canvas, draws, wild)
    blur = draws.uniform(0, 1.1) * wild * side / 160
    if blur > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    image = resize(image, (size, size))
    noise = (draws.generator.random(image.shape, np.float32) - 0.5) * (
        draws.uniform(2, 26) * wild
    )
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return with_channels(image, channels)


def _background(draws, side, wild):
    corners = np.array([[draws.uniform(60, 220) for _ in range(3)] for _ in range(4)])
    corners = corners.mean(0) + (corners - corners.mean(0)) * wild
    corners = corners.reshape(2, 2, 3).astype(np.float32)
    return cv2.resize(corners, (side, side), interpolation=cv2.INTER_LINEAR).astype(
        np.uint8
    )


def _occlude(canvas, draws):
    """A hand, a microphone, an edge: a disc or a bar over the rim of the face."""
    side = canvas.shape[0]
    color = [draws.uniform(20, 230) for _ in range(3)]
    x, y = draws.uniform(0, side), draws.uniform(0.55 * side, side)
    if draws.uniform() < 0.5:
        cv2.circle(
            canvas, (int(x), int(y)), int(draws.uniform(0.1, 0.2) * side), color, -1
        )
    else:
        end = (int(x + draws.bell(0.3) * side), side)
        cv2.line(canvas, (int(x), int(y)), end, color, int(0.14 * side))


def _lit(canvas, draws, wild):
    """Light from one side, and the camera's exposure."""
    angle, depth = draws.uniform(0, 2 * np.pi), draws.uniform(0, 0.4) * wild
    across = depth * np.cos(angle) * np.array([[-1, 1], [-1, 1]], np.float32)
    down = depth * np.sin(angle) * np.array([[-1, -1], [1, 1]], np.float32)
    exposure = 1 + draws.bell(0.16 * wild)
    light = ((1 + across + down) * exposure).astype(np.float32)
    light = cv2.resize(light, canvas.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    lit = cv2.multiply(canvas, cv2.merge([light] * 3), dtype=cv2.CV_8U)
    return lit


def _check(size, channels, domain, class_weights, intensity, label_noise):
    """The class weights, checked with the other arguments."""
    if not 48 <= size <= 224 or channels not in (1, 3) or domain not in DOMAINS:
        raise ValueError(
            "Expected size 48 to 224, channels 1 or 3, and a domain among "
            f"{', '.join(DOMAINS)}. Received: size={size}, channels={channels}, "
            f"domain={domain!r}."
        )
    if not 0 <= intensity[0] <= intensity[1] <= 1 or not 0 <= label_noise <= 1:
        raise ValueError(
            "Expected 0 <= intensity[0] <= intensity[1] <= 1 and label_noise in [0, 1]."
            f" Received: intensity={intensity}, label_noise={label_noise}."
        )
    weights = np.ones(len(EXPRESSIONS)) if class_weights is None else class_weights
    weights = np.asarray(weights, float)
    if weights.shape != (len(EXPRESSIONS),) or weights.min() < 0 or not weights.sum():
        raise ValueError(
            f"`class_weights` must have {len(EXPRESSIONS)} entries of 0 or more, one "
            f"for each of {', '.join(EXPRESSIONS)}. Received: {class_weights}."
        )
    return weights
