"""Boxes as rows (x1, y1, x2, y2) in pixels, with the scores they compete by."""

import numpy as np


def overlaps(boxes, over="union"):
    """How much each pair of boxes overlaps.

    Args:
        boxes: float (n, 4).
        over: "union": shared area over that of both together; "smaller": over that of
            the smaller one.

    Returns:
        float (n, n) in [0, 1].
    """
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), -1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], -1)
    if over == "union":
        return shared / (areas[:, None] + areas[None, :] - shared)
    return shared / np.minimum(areas[:, None], areas[None, :])


def best_of_each(boxes, scores, threshold, over="union"):
    """Which boxes are not overlapped by a better one, from the best on.

    A box that a better one overlaps suppresses others all the same, as in the mtcnn
    package; greedy suppression would keep what only such boxes overlap.

    Args:
        boxes: float (n, 4).
        scores: float (n,).
        threshold: overlap above which the worse of two goes.
        over: see `overlaps`.

    Returns:
        int indices.
    """
    order = np.argsort(scores)[::-1]
    lost = np.triu(overlaps(boxes[order], over) > threshold, k=1).any(0)
    return order[~lost]


def shifted(boxes, offsets):
    """Boxes moved by what a network says, in fractions of their sides.

    Args:
        boxes: float (n, 4).
        offsets: float (n, 4), of x1, y1, x2, y2.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + 1  # pixels, both ends counted
    return boxes + offsets * np.tile(sides, 2)


def squared(boxes):
    """The squares around the middles of boxes, of their longer sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(1, keepdims=True)
    corner = boxes[:, :2] + (sides - side) / 2
    return np.concatenate([corner, corner + side], 1)
