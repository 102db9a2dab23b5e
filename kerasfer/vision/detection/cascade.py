"""The three networks of MTCNN, compiled: photo to boxes and landmarks.

Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks", 2016, with the networks and weights of the package mtcnn (>= 1.0), whose
steps these are. Differently from it, each photo is looked at alone, so that its result
does not depend on a batch; and the networks run as graphs on what is there, instead of
operation by operation.
"""

import functools
import typing

import numpy as np
import tensorflow as tf

from kerasfer.frozen import frozen
from kerasfer.optional import require
from kerasfer.vision.detection.boxes import best_of_each, shifted, squared
from kerasfer.vision.images import cv2

_CELL, _STRIDE = 12, 2  # of the proposal network: what it sees, and its step
_FACTOR = 0.709  # from one size of the photo to the next: half the area
_SMALLEST_FACE = 20  # pixels
_PROPOSAL_SCORE, _REFINED_SCORE, _FINAL_SCORE = 0.6, 0.7, 0.8
# Photos of a graph come in fours, filled up by blank ones: a graph for each number of
# them would take as long to compile as dozens of photos take.
_A_GRAPH, _BLANK = 4, np.zeros((1, _CELL, _CELL, 3), np.float32)
_PHOTO = tf.TensorSpec((1, None, None, 3), tf.float32)
_WITHIN_SIZE, _ACROSS_SIZES = 0.5, 0.7  # overlaps above which the worse box goes


class Found(typing.NamedTuple):
    """The faces of a photo, the best first."""

    boxes: np.ndarray
    """float (n, 4): x1, y1, x2, y2, in pixels; they may reach out of the photo."""
    landmarks: np.ndarray
    """float (n, 5, 2): x, y."""
    scores: np.ndarray
    """float (n,) in [0, 1]."""


class Cascade:
    """MTCNN as a function from a photo to `Found`.

    Raises:
        ImportError: mtcnn is not installed.
    """

    def __init__(self):
        # The package takes seconds to import, and most uses of this one need no faces
        # found.
        mtcnn = require("mtcnn", "Finding faces", "mtcnn")
        propose, refine, finish = (stage.model for stage in mtcnn.MTCNN().stages)
        boxes = tf.TensorSpec((None, 4), tf.float32)
        # One graph for all sizes of a photo, which then run side by side.
        self._propose = functools.lru_cache(maxsize=None)(
            lambda count: _compiled(_on_photos(propose), *[_PHOTO] * count)
        )
        self._refine = _compiled(_on_patches(refine, 24), _PHOTO, boxes)
        self._finish = _compiled(_on_patches(finish, 48), _PHOTO, boxes)

    def __call__(self, image):
        """The faces of a photo, uint8 (height, width, 3), RGB."""
        photo = (image.astype(np.float32) - 127.5) / 128
        boxes = self._proposals(photo)
        if len(boxes):
            boxes = self._refined(photo, boxes)
        if len(boxes):
            return self._finished(photo, boxes)
        return Found(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))

    def _proposals(self, photo):
        """Squares that may be faces, from the photo in many sizes."""
        scales = _scales(photo.shape[:2])
        if not len(scales):
            return np.zeros((0, 4))
        photos = [_resized(photo, scale) for scale in scales]
        photos += [_BLANK] * (-len(photos) % _A_GRAPH)
        outputs = self._propose(len(photos))(*photos)
        found = [
            _faces_of_cells(offsets[0], scores[0], scale)
            for scale, offsets, scores in zip(
                scales, outputs[::2], outputs[1::2], strict=False
            )
        ]
        boxes, scores = map(np.concatenate, zip(*found, strict=True))
        return squared(boxes[best_of_each(boxes, scores, _ACROSS_SIZES)])

    def _refined(self, photo, boxes):
        """Squares that are likely faces, moved to where these are."""
        offsets, scores = self._refine(photo[None], _fractions(boxes, photo))
        kept = scores[:, 1] > _REFINED_SCORE
        boxes, scores = shifted(boxes, offsets)[kept], scores[kept, 1]
        return squared(boxes[best_of_each(boxes, scores, _ACROSS_SIZES)])

    def _finished(self, photo, boxes):
        """The faces, with landmarks."""
        offsets, points, scores = self._finish(photo[None], _fractions(boxes, photo))
        kept = scores[:, 1] > _FINAL_SCORE
        sides = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
        # Five x, then five y, in fractions of the square.
        points = np.stack([points[:, :5], points[:, 5:]], -1)
        landmarks = (points * sides + boxes[:, None, :2] - 1)[kept]
        boxes, scores = shifted(boxes, offsets)[kept], scores[kept, 1]
        best = best_of_each(boxes, scores, _ACROSS_SIZES, over="smaller")
        return Found(boxes[best], landmarks[best], scores[best])


def _scales(shape):
    """Factors by which the photo is made smaller, until the smallest side is a cell."""
    count = round(-(np.log(min(shape) / _CELL) / np.log(_FACTOR) + 1))
    return _CELL / _SMALLEST_FACE * _FACTOR ** np.arange(max(count, 0))


def _resized(photo, scale):
    height, width = (int(side * scale) for side in photo.shape[:2])
    return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)[None]


def _faces_of_cells(offsets, scores, scale):
    """Boxes that may be faces, and their scores, in the photo's own size.

    Args:
        offsets: float (rows, columns, 4), of the box from the cell.
        scores: float (rows, columns, 2), of no face and a face.
        scale: by which the photo was made smaller.
    """
    rows, columns = np.nonzero(scores[..., 1] > _PROPOSAL_SCORE)
    corners = np.stack([columns, rows], 1) * _STRIDE
    cells = np.concatenate([corners + 1, corners + _CELL], 1)
    boxes = cells + offsets[rows, columns] * (_CELL - 1)
    scores = scores[rows, columns, 1]
    kept = best_of_each(boxes, scores, _WITHIN_SIZE)
    return boxes[kept] / scale, scores[kept]


def _on_photos(network):
    """The proposal network on photos of any sizes, by its layers.

    Its few channels on a whole photo are memory traffic: Keras' PReLU passes over them
    five times, this two or three.
    """

    def rectified(x, prelu):
        return tf.where(x > 0, x, x * tf.convert_to_tensor(prelu.alpha))

    def call(*photos):
        outputs = []
        for photo in photos:
            x = rectified(network.conv1(photo), network.prelu1)
            x = network.maxpool1(x)
            x = rectified(network.conv2(x), network.prelu2)
            x = rectified(network.conv3(x), network.prelu3)
            outputs += [network.conv4_1(x), network.conv4_2(x)]
        return outputs

    return call


def _on_patches(network, side):
    """The network on squares of a photo, as a function of the photo and of boxes."""

    def call(photo, boxes):
        of_photo = tf.zeros(tf.shape(boxes)[:1], tf.int32)
        patches = tf.image.crop_and_resize(photo, boxes, of_photo, (side, side))
        return network(patches)

    return call


def _fractions(boxes, photo):
    """Boxes as `tf.image.crop_and_resize` takes them: y before x, of the sides."""
    height, width = photo.shape[:2]
    fractions = boxes[:, [1, 0, 3, 2]] / np.array([height, width, height, width])
    return fractions.astype(np.float32)


def _compiled(function, *specs):
    """A graph of constants, NumPy arrays in and out; a call of one with variables takes
    longer than many a network here."""
    constant = tf.function(frozen(function, *specs))
    concrete = constant.get_concrete_function(*specs)

    def call(*arguments):
        return [output.numpy() for output in concrete(*map(tf.constant, arguments))]

    return call
