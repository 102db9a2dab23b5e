"""The weak and the strong view of semi-supervised FER.

Draws and arithmetic are apart: a view is drawn as a row of uniform numbers, then
applied. `weak_view` and `strong_view` draw from a seed; the input pipeline draws a
whole batch of rows at once and calls `apply_weak` and `apply_strong`.
"""

from collections.abc import Sequence

import numpy as np

from kerasfer.augment import ops
from kerasfer.types import Array
from kerasfer.vision.images import cv2, resize

PAD = 8 / 224  # of the side: Ada-CM and ReMoP pad 224 pixels by 8
WEAK_DRAWS = 4
_OPS_PER_VIEW = 3
STRONG_DRAWS = 2 * _OPS_PER_VIEW + 3 + WEAK_DRAWS

# (operation, lowest value, highest value)
_RAND_AUGMENT = (
    (ops.auto_contrast, 0.0, 1.0),
    (ops.brightness, 0.05, 0.95),
    (ops.color, 0.05, 0.95),
    (ops.contrast, 0.05, 0.95),
    (ops.equalize, 0.0, 1.0),
    (ops.identity, 0.0, 1.0),
    (ops.posterize, 4.0, 8.0),
    (ops.rotate, -30.0, 30.0),
    (ops.sharpness, 0.05, 0.95),
    (ops.shear_x, -0.3, 0.3),
    (ops.shear_y, -0.3, 0.3),
    (ops.solarize, 0.0, 256.0),
    (ops.translate_x, -0.3, 0.3),
    (ops.translate_y, -0.3, 0.3),
)
_MEAN_FACE = np.array([125, 123, 114], np.uint8)  # fill of Cutout in colour
_MEAN_GREY = np.array([123], np.uint8)  # its grey level


def weak_view(
    image: Array,
    seed: int | Sequence[int],
    size: Sequence[int] | None = None,
    pad: float = PAD,
) -> Array:
    """Resize, then half the time a padded random crop, then half the time a mirror.

    Args:
        image: uint8, (height, width, 1 or 3).
        seed: int or sequence of ints; the same seed gives the same view.
        size: (height, width) of the result; None keeps the image's.
        pad: in [0, 0.5], black border of the crop as a fraction of the side. 0 leaves
            only the mirror.

    Returns:
        uint8, (*size, channels).

    Source: the loaders of Ada-CM (CVPR 2022) and ReMoP (IJCAI 2025), where the border
    is 8 pixels of 224.

    >>> weak_view(np.zeros((48, 48, 3), np.uint8), seed=0).shape
    (48, 48, 3)
    """
    _check(image)
    draws = np.random.default_rng(seed).random(WEAK_DRAWS)
    return apply_weak(image, draws, size or image.shape[:2], pad)


def strong_view(
    image: Array,
    seed: int | Sequence[int],
    size: Sequence[int] | None = None,
    pad: float = PAD,
) -> Array:
    """RandAugment (three operations, each always applied), Cutout, then the weak view.

    The operations act on the image at its own size, before it is resized, with a value
    uniform in the range of `kerasfer.augment.ops`. Cutout greys a square whose side is
    uniform in [0, half the width]. Arguments and result as for `weak_view`.

    Source: RandAugment(n=3, m=5) as in Ada-CM, ReMoP and USB, where m has no effect.

    >>> strong_view(np.zeros((48, 48, 3), np.uint8), seed=0).shape
    (48, 48, 3)
    """
    _check(image)
    draws = np.random.default_rng(seed).random(STRONG_DRAWS)
    return apply_strong(image, draws, size or image.shape[:2], pad)


def apply_weak(image: Array, draws: Array, size: Sequence[int], pad: float) -> Array:
    """The weak view that a row of `WEAK_DRAWS` uniform numbers in [0, 1) stands for."""
    crops, across, down, mirrors = draws
    image = resize(image, size)
    if crops < 0.5:
        border = round(pad * image.shape[1]), round(pad * image.shape[0])
        image = _shift(
            image,
            int(across * (2 * border[0] + 1)) - border[0],
            int(down * (2 * border[1] + 1)) - border[1],
        )
    return cv2.flip(image, 1).reshape(image.shape) if mirrors < 0.5 else image


def apply_strong(image: Array, draws: Array, size: Sequence[int], pad: float) -> Array:
    """The strong view that a row of `STRONG_DRAWS` uniform numbers stands for."""
    for which, how_much in draws[: 2 * _OPS_PER_VIEW].reshape(-1, 2):
        operation, low, high = _RAND_AUGMENT[int(which * len(_RAND_AUGMENT))]
        image = operation(image, low + (high - low) * how_much)
    image = _cutout(image, *draws[2 * _OPS_PER_VIEW : -WEAK_DRAWS])
    return apply_weak(image, draws[-WEAK_DRAWS:], size, pad)


# Name of a view of an unlabelled face -> (how to apply it, how many draws it takes).
VIEWS = {
    "weak": (apply_weak, WEAK_DRAWS),
    "weak_2": (apply_weak, WEAK_DRAWS),
    "strong": (apply_strong, STRONG_DRAWS),
    "strong_2": (apply_strong, STRONG_DRAWS),
}
WEAK_VIEWS = ("weak", "weak_2")


def _check(image):
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(
            "Expected one uint8 image of shape (height, width, 1 or 3). Received: "
            f"shape={image.shape}, dtype={image.dtype}."
        )


def _shift(image, across, down):
    """The crop of a padded image, `across` and `down` pixels from its middle."""
    height, width = image.shape[:2]
    shifted = np.zeros_like(image)
    shifted[
        max(0, -down) : height - max(0, down), max(0, -across) : width - max(0, across)
    ] = image[
        max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)
    ]
    return shifted


def _cutout(image, side, across, down):
    height, width, channels = image.shape
    side = side * 0.5 * width
    x0 = int(max(0.0, across * width - side / 2))
    y0 = int(max(0.0, down * height - side / 2))
    # The far edge is included; a square cut off at the left or top keeps its full side.
    x1, y1 = int(min(width, x0 + side)) + 1, int(min(height, y0 + side)) + 1
    image = image.copy()
    image[y0:y1, x0:x1] = _MEAN_FACE if channels == 3 else _MEAN_GREY
    return image
