"""What a model looks at: how its answer falls where a part of the face is covered."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasfer.types import Array
from kerasfer.vision.images import resize

_SHARE = 0.3  # of the face's side, of a patch


def occlusion_map(
    probs_of: Callable[[Array], Any], image: Array, index: int, cells: int = 7
) -> Array:
    """How much the probability of a class falls when a patch there is grey.

    Needs nothing but predictions, so that it is the same for a Keras model, a
    SavedModel, ONNX and LiteRT, which have no gradients for Grad-CAM.

    Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks",
    ECCV 2014, section 4.2. Patches of 0.3 sides overlap; a pixel has the mean over the
    patches on it.

    Args:
        probs_of: uint8 (n, height, width, channels) -> float (n, classes).
        image: uint8 (height, width, channels).
        index: of the class, or action unit.
        cells: patches along a side, at least 2; `cells` squared images are predicted.

    Returns:
        float32 (height, width): the mean fall, positive where the class needs what is
        there.

    Raises:
        ValueError: fewer than 2 cells.

    >>> probs_of = lambda images: images[:, :1, 0, :1] / 255.0  # of one corner
    >>> heat = occlusion_map(lambda x: probs_of(x)[:, 0], face, 0)
    """
    if cells < 2:
        raise ValueError(f"`cells` must be at least 2. Received: {cells}.")
    height, width = image.shape[:2]
    tall, wide = (max(1, round(_SHARE * side)) for side in (height, width))
    tops = np.linspace(0, height - tall, cells).round().astype(int)
    lefts = np.linspace(0, width - wide, cells).round().astype(int)
    grey = image.mean((0, 1)).round().astype(np.uint8)
    covered, places = [], []
    for top in tops:
        for left in lefts:
            place = slice(top, top + tall), slice(left, left + wide)
            changed = image.copy()
            changed[place] = grey
            covered.append(changed)
            places.append(place)
    probs = np.asarray(probs_of(np.stack([image, *covered])))[:, index]
    total, count = np.zeros((2, height, width), np.float32)
    for place, fall in zip(places, probs[0] - probs[1:], strict=True):
        total[place] += fall
        count[place] += 1
    return total / np.maximum(count, 1)


def with_heat(image: Array, heat: Array, size: int = 192) -> Array:
    """A face in grey with what counts for its answer in orange.

    Args:
        image: uint8 (height, width, 1 or 3).
        heat: float (height, width), of `occlusion_map`; what is negative stays grey.
        size: side of the result, in pixels.

    Returns:
        uint8 (size, size, 3).

    >>> with_heat(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8)), 16)[0, 0]
    array([230, 159,   0], dtype=uint8)
    """
    grey = resize(image, (size, size)).mean(-1, keepdims=True)
    strength = np.maximum(heat, 0) / max(float(heat.max()), 1e-9)
    mask = resize(np.rint(255 * strength).astype(np.uint8)[..., None], (size, size))
    share = mask.reshape(size, size, 1) / 255.0
    orange = np.array([230.0, 159.0, 0.0])
    return np.rint(grey * (1 - share) + orange * share).astype(np.uint8)
