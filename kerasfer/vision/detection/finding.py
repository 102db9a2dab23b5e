"""Finds faces in photos, and cuts them out as a model was trained on them."""

import functools
import pathlib
import typing

import numpy as np

from kerasfer.vision.alignment import CROPS, cut_out
from kerasfer.vision.detection.cascade import Cascade
from kerasfer.vision.images import as_image, read_image, resize, with_channels


class Face(typing.NamedTuple):
    """A face in a photo."""

    box: tuple
    """(x, y, width, height) in pixels, floats; may reach out of the photo."""
    landmarks: np.ndarray
    """float (5, 2), (x, y) in pixels of `kerasfer.vision.alignment.LANDMARKS`."""
    confidence: float
    """Of the detector, in [0, 1]."""


class MTCNNDetector:
    """Multi-task cascaded networks (Zhang et al., 2016), compiled.

    Gives what `mtcnn.MTCNN().detect_faces(photo)` gives, before it rounds and clips;
    see `kerasfer.vision.detection.cascade`.

    Args:
        min_confidence: of a face, in [0, 1]; less sure ones are left out.
        min_side: of a face's box in pixels of the photo; smaller ones are left out.
        longest_side: photos larger than this are looked at in this size.

    Raises:
        ImportError: mtcnn is not installed.

    >>> detector = MTCNNDetector()
    >>> detector(np.zeros((80, 80, 3), np.uint8))
    []
    """

    def __init__(self, min_confidence=0.9, min_side=20, longest_side=1024):
        self.min_confidence, self.min_side = min_confidence, min_side
        self.longest_side = longest_side
        self._cascade = Cascade()

    def __call__(self, image):
        """The faces of a photo, from left to right.

        Args:
            image: uint8 (height, width, 1 or 3), RGB or grey.

        Returns:
            list of `Face`.
        """
        image = as_image(image)
        height, width = image.shape[:2]
        scale = min(1.0, self.longest_side / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        found = self._cascade(resize(with_channels(image, 3), size))
        ratio = np.array([width / size[1], height / size[0]])
        faces = [
            _face(box, points, score, ratio)
            for box, points, score in zip(*found, strict=True)
        ]
        kept = [
            face
            for face in faces
            if face.confidence >= self.min_confidence
            and min(face.box[2:]) >= self.min_side
        ]
        return sorted(kept, key=lambda face: face.box[0])


def _face(box, points, score, ratio):
    corner, end = box[:2] * ratio, box[2:] * ratio
    box = (*corner.tolist(), *(end - corner).tolist())
    return Face(box, points * ratio, float(score))


def find_faces(photo, description, detector=None):
    """The faces of a photo, cut out as a model was trained on them.

    Args:
        photo: path of an image file, or an image (`vision.images.as_image`).
        description: of the model, with its crop and its size; a model that does not say
            how its faces were cut out gets the detector's box, `CROPS["box"]`.
        detector: function, photo -> list of `Face`; None is an `MTCNNDetector`.

    Returns:
        list of `Face`, and list of uint8 crops for `kerasfer.Predictor`.

    Raises:
        FileNotFoundError, ValueError: see `kerasfer.vision.images.read_image`.

    >>> predictor = kerasfer.load("exported")  # doctest: +SKIP
    >>> found, crops = find_faces("party.jpg", predictor.description)
    ... # doctest: +SKIP
    >>> predictor(crops).labels  # doctest: +SKIP
    ['happiness', 'surprise']
    """
    if isinstance(photo, (str, pathlib.Path)):
        photo = read_image(photo)
    photo = as_image(photo)
    found = (detector or _default_detector())(photo)
    crop = description.crop or CROPS["box"]
    size = description.image_shape[:2]
    return found, [
        cut_out(photo, crop, size, face.box, face.landmarks) for face in found
    ]


@functools.cache
def _default_detector():
    return MTCNNDetector()
