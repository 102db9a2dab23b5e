"""From a photo and five landmarks, or a box, to the crop that a classifier expects."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasfer.types import Array
from kerasfer.vision.images import cv2, resize

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""In the order of the rows of `landmarks`; left and right are the image's."""

KINDS = ("landmarks", "box")

# Of a crop of 112 pixels; common in face recognition since SphereFace and ArcFace.
_ARCFACE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)


@dataclasses.dataclass(frozen=True)
class Crop:
    """Where a face lies in the crops that a classifier is trained on.

    Attributes:
        name: of the template, for the reader.
        kind: "landmarks": the similarity (turn, scale, shift) that brings the five
            `LANDMARKS` nearest to `points`; "box": the square around the detector's
            box, sides grown by `margin`.
        points: ((x, y), ...) in fractions of the crop's side, for "landmarks".
        margin: added on each side of the box, as a fraction of its longer side.

    Raises:
        ValueError: another kind, points that are not five, a negative margin.

    >>> Crop("my_box", "box", margin=0.2).margin
    0.2
    """

    name: str
    kind: str
    points: tuple = ()
    margin: float = 0.0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: {self.kind!r}.")
        expected = (5, 2) if self.kind == "landmarks" else (0,)
        points = np.array(self.points, float)
        if points.shape != expected or not np.isfinite(points).all():
            raise ValueError(
                f"Expected `points` of shape {expected} for {self.kind!r}. Received: "
                f"{self.points}."
            )
        if not 0 <= self.margin < 10:
            raise ValueError(
                f"`margin` must be 0 to 10. Received: margin={self.margin}."
            )
        object.__setattr__(self, "points", tuple(map(tuple, points.tolist())))


# Medians of MTCNN's landmarks on 324 of 400 images of FER2013's training set, drawn at
# random, in which it found one face with a confidence of 0.95; deviations of 0.06 to
# 0.11: FER2013 is not aligned.
_FER2013 = (
    (0.315, 0.388),
    (0.680, 0.388),
    (0.497, 0.602),
    (0.344, 0.779),
    (0.654, 0.779),
)
# Where `kerasfer.data.synthetic` draws a face that looks straight ahead.
_RENDERED = (
    (0.316, 0.394),
    (0.684, 0.394),
    (0.500, 0.583),
    (0.341, 0.734),
    (0.659, 0.734),
)

CROPS = {
    "arcface": Crop("arcface", "landmarks", tuple(map(tuple, _ARCFACE / 112))),
    "fer2013": Crop("fer2013", "landmarks", _FER2013),
    "rendered": Crop("rendered", "landmarks", _RENDERED),
    "box": Crop("box", "box", margin=0.1),
}
"""Templates by name: "arcface", the five points of most aligned sets of faces;
"fer2013", where the faces of FER2013 and FER+ lie on average; "rendered", of
`kerasfer.data.synthetic`; "box", the detector's box with a tenth around it."""


def similarity(points: Array, target: Array) -> Array:
    """The turn, scale and shift that bring points nearest to others.

    Least squares over (a, b, c, d) of x' = a x - b y + c, y' = b x + a y + d.

    Args:
        points, target: float (n, 2), n at least 2, points not all the same.

    Returns:
        float64 (2, 3), as OpenCV's warps take it.

    Raises:
        ValueError: points that are all the same.

    >>> similarity([(0, 0), (1, 0)], [(1, 1), (1, 3)]).round()  # a quarter turn, by 2
    array([[ 0., -2.,  1.],
           [ 2.,  0.,  1.]])
    """
    points, target = np.asarray(points, float), np.asarray(target, float)
    middle = points.mean(0)
    x, y = (points - middle).T
    spread = (x**2 + y**2).sum()
    if not spread > 0:
        raise ValueError(
            f"Expected landmarks that differ. Received: {points.tolist()}."
        )
    u, v = (target - target.mean(0)).T
    a, b = (x * u + y * v).sum() / spread, (x * v - y * u).sum() / spread
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, target.mean(0) - turn @ middle])


def cut_out(
    image: Array,
    crop: Any,
    size: Sequence[int],
    box: Array,
    landmarks: Array | None = None,
) -> Array:
    """The crop of one face.

    What lies outside of the photo is black. A face larger than the crop is warped to a
    multiple of its size and averaged down: sampling it directly would alias.

    Args:
        image: uint8 (height, width, channels).
        crop: a `Crop`.
        size: (height, width) of the result.
        box: (x, y, width, height) of the face in pixels, for the kind "box".
        landmarks: float (5, 2), (x, y) in pixels, for the kind "landmarks".

    Returns:
        uint8 (height, width, channels).

    Raises:
        ValueError: no landmarks where the crop needs them, or a box without area.

    >>> photo = np.zeros((100, 100, 3), np.uint8)
    >>> cut_out(photo, CROPS["box"], (48, 48), box=(20, 20, 40, 50)).shape
    (48, 48, 3)
    """
    height, width = size
    matrix = _to_unit_square(crop, box, landmarks)
    # Rows of the matrix are crop sides per pixel: how many pixels a crop's pixel is.
    shrinks = 1 / (np.linalg.norm(matrix[0, :2]) * min(height, width))
    factor = max(1, int(np.ceil(shrinks)))
    scale = np.array([[width * factor], [height * factor]])
    # Pixel centres lie at half numbers in the unit square, at whole ones in OpenCV.
    matrix = matrix * scale
    matrix[:, 2] += matrix[:, :2].sum(1) / 2 - 0.5
    warped = cv2.warpAffine(
        image, matrix, (width * factor, height * factor), flags=cv2.INTER_LINEAR
    )
    warped = warped.reshape(height * factor, width * factor, image.shape[2])
    return resize(warped, size)


def _to_unit_square(crop, box, landmarks):
    """(2, 3), pixels of the photo to fractions of the crop."""
    if crop.kind == "landmarks":
        if landmarks is None:
            raise ValueError(
                f"The crop {crop.name!r} needs five landmarks. Give a detector that "
                "finds them, or a crop of the kind 'box'."
            )
        # Landmarks name pixels, whose centres lie half a pixel on.
        return similarity(np.asarray(landmarks, float) + 0.5, crop.points)
    x, y, width, height = box
    side = max(width, height) * (1 + 2 * crop.margin)
    if not side > 0:
        raise ValueError(f"Expected a box with an area. Received: {box}.")
    left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
    return np.array([[1 / side, 0, -left / side], [0, 1 / side, -top / side]])
