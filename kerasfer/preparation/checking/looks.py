"""What is noted of each image: enough to compare all with all."""

import dataclasses
import hashlib

import numpy as np

from kerasfer.vision.images import cv2

_THUMBNAIL = 16  # pixels of its side


@dataclasses.dataclass(frozen=True)
class Look:
    """An image that can be read."""

    row: int
    """In the manifest."""
    size: tuple
    """(height, width)."""
    digest: str
    """Of its pixels: the same image in another file format has the same."""
    gradients: int
    """64 bits: which of neighbouring patches is brighter (a difference hash)."""
    thumbnail: np.ndarray
    """float32 (256,), grey, mean 0, length 1; zeros for a blank image."""
    contrast: float
    """Standard deviation of the grey levels."""


def look_at(row, image):
    """The `Look` of an image, uint8 (height, width, 3)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes())
    return Look(
        row,
        image.shape[:2],
        pixels.hexdigest(),
        _gradients(grey),
        _thumbnail(grey),
        float(grey.std()),
    )


def _gradients(grey):
    patches = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(int)
    bits = (patches[:, 1:] > patches[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _thumbnail(grey):
    side = (_THUMBNAIL, _THUMBNAIL)
    small = cv2.resize(grey, side, interpolation=cv2.INTER_AREA)
    small = small.astype(np.float32).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)
