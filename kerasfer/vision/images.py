"""Face images: the terms of the field, reading a file, changing its size."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasfer.types import Array, PathLike
from kerasfer.vision.headers import size_of, whole

try:
    import cv2
except ImportError as error:
    if "lib" in str(error) and ".so" in str(error):
        raise ImportError(
            f"OpenCV cannot load a system library ({error}). Install Debian's "
            "packages `libgl1` and `libglib2.0-0` (apt-get install libgl1 "
            "libglib2.0-0), or replace opencv-python by the build that needs neither: "
            "pip uninstall opencv-python; pip install opencv-python-headless"
        ) from error
    raise

MOST_PIXELS = 200_000_000
"""Of an image that is decoded; more is taken for a file that is to exhaust memory."""

# The order of FER+ (Barsoum et al., 2016); RAF-DB and FER2013 number them otherwise.
EXPRESSIONS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)


def decode_image(encoded: bytes, name: str, channels: int = 3) -> Array:
    """Decodes the bytes of a JPEG, PNG or other image that OpenCV reads.

    Args:
        encoded: bytes of the file.
        name: what to call the image in an error, usually its path.
        channels: 3 (RGB) or 1 (grey). A grey file asked for in colour has three equal
            planes; transparency is dropped.

    Returns:
        uint8 array, (height, width, channels).

    Raises:
        ValueError: not an image, cut off, too large, or `channels` is neither 1 nor 3.

    >>> decode_image(encoded, "face.png").shape
    (48, 48, 3)
    """
    if channels not in (1, 3):
        raise ValueError(f"`channels` must be 1 or 3. Received: channels={channels}.")
    size = size_of(encoded)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise ValueError(
            f"{name} claims {size[1]} x {size[0]} pixels. Expected {MOST_PIXELS:,} at "
            "most; a smaller copy of it can be used."
        )
    flag = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE
    complete = whole(encoded, lambda some: _decoded(some, flag))
    if complete is None:
        raise ValueError(
            f"Expected a whole image file, but {name} ends too early "
            f"({len(encoded)} bytes). Copy or download it again."
        )
    image = _decoded(complete, flag)
    if image is None:
        raise ValueError(
            f"Expected an image (JPEG, PNG, BMP, WebP). {name} is not one, or is "
            f"damaged: {len(encoded)} bytes starting with {encoded[:8]!r}."
        )
    if channels == 3:
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return image[..., None]


def read_encoded(path: PathLike) -> bytes:
    """The bytes of an image file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Image {path} does not exist. Check the `path` column of the manifest: "
            "relative paths start at the manifest's own folder."
        ) from None


def read_image(path: PathLike, channels: int = 3) -> Array:
    """Reads an image file as uint8 (height, width, channels); see `decode_image`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image, or is cut off.
    """
    return decode_image(read_encoded(path), str(path), channels)


def as_image(image: Any) -> Array:
    """An image in memory as uint8 (height, width, 1 or 3), RGB or grey.

    Args:
        image: uint8 array (height, width), (height, width, 1) or (height, width, 3); or
            an image of Pillow.

    Raises:
        ValueError: another dtype or shape, with what to do.

    >>> as_image(np.zeros((4, 6), np.uint8)).shape
    (4, 6, 1)
    """
    if hasattr(image, "convert") and hasattr(image, "mode"):  # of Pillow
        image = image.convert("L" if image.mode in ("L", "1") else "RGB")
    given = image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if (
        image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] in (1, 3)
        and image.size
    ):
        return image
    raise ValueError(
        "Expected an image as uint8 (height, width, 1 or 3), RGB or grey. Received: "
        f"{given.dtype} {given.shape}.{_advice(given)}"
    )


def _advice(image):
    if not image.size:
        return " It has no pixel."
    if image.ndim == 3 and image.shape[2] == 4:
        return " Leave its transparency out: image[..., :3]."
    if np.issubdtype(image.dtype, np.floating):
        most = float(np.nanmax(image))
        scaled = "(255 * image)" if most <= 1 else "image"
        return f" Its largest value is {most:g}: {scaled}.round().astype('uint8')."
    if image.dtype == np.uint16:
        return " Of 16 bits: (image // 257).astype('uint8')."
    return ""


def resize(image: Array, size: Sequence[int]) -> Array:
    """Resizes a uint8 (H, W, C) image to `size` = (height, width).

    Averages areas when both sides shrink, else interpolates linearly: shrinking by
    interpolation alone aliases, and the same choice must hold in training and use.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=interpolation)
    return resized.reshape(height, width, image.shape[2])


def with_channels(image: Array, channels: int) -> Array:
    """A uint8 (H, W, 1 or 3) image in grey (`channels` 1) or with three planes (3)."""
    if image.shape[2] == channels:
        return image
    code = cv2.COLOR_GRAY2RGB if channels == 3 else cv2.COLOR_RGB2GRAY
    return cv2.cvtColor(image, code).reshape(*image.shape[:2], channels)


def _decoded(encoded, flag):
    """As OpenCV decodes it; None where it does not."""
    if not encoded:
        return None
    try:
        return cv2.imdecode(np.frombuffer(encoded, np.uint8), flag)
    except cv2.error:  # a header that cannot be
        return None
