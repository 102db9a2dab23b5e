"""The fourteen image operations of RandAugment, each on one uint8 (H, W, C) image.

Every operation returns a new uint8 image of the same shape (C is 1 or 3) and agrees
with Pillow's: identical for look-up tables (auto_contrast, brightness, contrast,
equalize, posterize, solarize); one grey level apart at most where OpenCV rounds and
Pillow truncates (color, sharpness, and contrast by way of the mean grey level); for the
geometric ones (nearest neighbour) identical but for pixels that fall on the edge
between two source pixels. Measured in tests/test_augment_ops.py.

The ranges are those of the RandAugment(3, 5) that Ada-CM, ReMoP and USB share.
"""

import numpy as np

from kerasfer.vision.images import cv2

_LEVELS = np.arange(256, dtype=np.uint8)


def identity(image, value=None):
    """The image itself. `value` is ignored."""
    return image


def auto_contrast(image, value=None):
    """Stretches each channel to 0..255; a constant one stays. `value` is ignored."""
    extremes = [cv2.minMaxLoc(plane)[:2] for plane in cv2.split(image)]
    lowest, highest = np.array(extremes).T[..., None]
    scale = 255.0 / np.maximum(highest - lowest, 1.0)
    stretched = np.clip(_LEVELS * scale - lowest * scale, 0, 255)
    return _look_up(image, np.where(highest > lowest, stretched, _LEVELS))


def brightness(image, value):
    """Blends with black: value 0 is black, 1 the image. RandAugment: 0.05 to 0.95."""
    return _look_up(image, _blend(0, value))


def color(image, value):
    """Blends with the grey version: value 0 is grey, 1 the image. RandAugment: 0.05 to
    0.95. A one-channel image has no colour to lose and is returned as it is."""
    if image.shape[2] == 1:
        return image
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return _blend_images(cv2.merge([grey, grey, grey]), image, value)


def contrast(image, value):
    """Blends with the mean grey level: value 0 is flat, 1 the image. RandAugment: 0.05
    to 0.95."""
    grey = image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean = int(cv2.mean(grey)[0] + 0.5)
    return _look_up(image, _blend(mean, value))


def equalize(image, value=None):
    """Flattens each channel's histogram, as Pillow does. `value` is ignored."""
    channels = range(image.shape[2])
    counts = [cv2.calcHist([image], [k], None, [256], [0, 256]) for k in channels]
    counts = np.reshape(counts, (-1, 256)).astype(np.int64)
    brightest = 255 - (counts[:, ::-1] > 0).argmax(1)
    pixels = image.shape[0] * image.shape[1]
    step = ((pixels - counts[channels, brightest]) // 255)[:, None]
    below = np.cumsum(counts, 1) - counts
    flat = np.minimum((step // 2 + below) // np.maximum(step, 1), 255)
    return _look_up(image, np.where(step > 0, flat, _LEVELS))


def posterize(image, value):
    """Keeps the `value` highest bits of each pixel (1 to 8). RandAugment: 4 to 7."""
    return image & np.uint8(256 - 2 ** (8 - int(value)))


def rotate(image, value):
    """Turns by `value` degrees, counter-clockwise, about the centre; black corners.
    RandAugment: -30 to 30."""
    angle = np.deg2rad(value)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = image.shape[1] / 2.0, image.shape[0] / 2.0
    return _warp(
        image,
        [[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]],
    )


def sharpness(image, value):
    """Blends with a 3x3 smoothing: value 0 is smooth, 1 the image. RandAugment: 0.05 to
    0.95. The outermost pixels stay."""
    smooth = cv2.filter2D(image, -1, _SMOOTH).reshape(image.shape)
    smooth[[0, -1]] = image[[0, -1]]
    smooth[:, [0, -1]] = image[:, [0, -1]]
    return _blend_images(smooth, image, value)


def shear_x(image, value):
    """Slides each row by `value` times its distance from the top, black where empty.
    RandAugment: -0.3 to 0.3."""
    return _warp(image, [[1.0, value, 0.0], [0.0, 1.0, 0.0]])


def shear_y(image, value):
    """Slides each column by `value` times its distance from the left, black where
    empty. RandAugment: -0.3 to 0.3."""
    return _warp(image, [[1.0, 0.0, 0.0], [value, 1.0, 0.0]])


def solarize(image, value):
    """Inverts the pixels at or above the threshold `value` (0 to 256)."""
    return _look_up(image, np.where(value > _LEVELS, _LEVELS, 255 - _LEVELS))


def translate_x(image, value):
    """Moves the image left by `value` times its width, black where empty. RandAugment:
    -0.3 to 0.3."""
    return _warp(image, [[1.0, 0.0, value * image.shape[1]], [0.0, 1.0, 0.0]])


def translate_y(image, value):
    """Moves the image up by `value` times its height, black where empty. RandAugment:
    -0.3 to 0.3."""
    return _warp(image, [[1.0, 0.0, 0.0], [0.0, 1.0, value * image.shape[0]]])


_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13.0


def _look_up(image, tables):
    """Each level's new one, (256,), or of each channel, (channels, 256)."""
    tables = tables.astype(np.uint8)
    if tables.ndim == 2:  # cv2.LUT wants channels interleaved
        tables = np.ascontiguousarray(tables.T)[None]
    return cv2.LUT(image, tables).reshape(image.shape)


def _blend(degenerate, value):
    # Pillow blends in float32 and truncates.
    difference = np.float32(value) * (_LEVELS - np.float32(degenerate))
    return np.clip(np.float32(degenerate) + difference, 0, 255)


def _blend_images(degenerate, image, value):
    # -0.5: addWeighted rounds where Pillow truncates.
    blended = cv2.addWeighted(image, value, degenerate, 1.0 - value, -0.5)
    return blended.reshape(image.shape)


def _warp(image, source_of):
    """Nearest neighbour; `source_of` maps an output point to its source point, with
    pixel centres at half-integers as in Pillow."""
    matrix = np.asarray(source_of, np.float64)
    # OpenCV has pixel centres at integers.
    matrix[:, 2] += matrix[:, :2].sum(1) * 0.5 - 0.5
    warped = cv2.warpAffine(
        image,
        matrix,
        (image.shape[1], image.shape[0]),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return warped.reshape(image.shape)
