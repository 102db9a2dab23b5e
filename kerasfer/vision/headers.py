"""What the bytes of an image file say before they are decoded: its size, its end."""

import io
import struct
from collections.abc import Callable

import numpy as np

from kerasfer.types import Array

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_EOI = b"\xff\xd9"
# Start of frame: all of FFC0 to FFCF but Huffman tables, arithmetic coding, a reserve.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = {0xC0, 0xC1}
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a length


def size_of(encoded: bytes) -> tuple[int, int] | None:
    """(height, width) by the header; None where there is none that is known."""
    if encoded.startswith(_PNG):
        if len(encoded) < 24:
            return None
        width, height = struct.unpack(">II", encoded[16:24])
        return height, width
    if encoded.startswith(_JPEG):
        for marker, start in _segments(encoded):
            if marker in _FRAMES and start + 7 <= len(encoded):
                return struct.unpack(">HH", encoded[start + 3 : start + 7])
        return None
    return _by_pillow(encoded)


def whole(encoded: bytes, decode: Callable[[bytes], Array | None]) -> bytes | None:
    """The bytes to decode, None of a JPEG or PNG that ends before its image does:
    OpenCV 4 fills what is missing with grey, and says nothing.

    Data behind the end are none of the image (motion photos of phones). A sequential
    JPEG without an end marker, which it gets, is whole if its pixels do not depend on
    what would follow; a progressive one may lack scans that nothing announces.

    Args:
        encoded: bytes of the file.
        decode: bytes -> array, or None where they cannot be decoded.
    """
    if encoded.startswith(_PNG):
        ends = b"IEND" in encoded[-12:] or _png_ends(encoded)
        return encoded if ends else None
    if not encoded.startswith(_JPEG) or encoded.rstrip(b"\0").endswith(_EOI):
        return encoded
    if _jpeg_ends(encoded):
        return encoded
    return encoded + _EOI if _needs_no_more(encoded, decode) else None


def _by_pillow(encoded):
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded)) as image:
            return image.size[::-1]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _segments(encoded, at=2):
    """(marker, where its length stands) of each segment, up to the first scan."""
    while at + 4 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            yield marker, at + 2
            if marker == 0xDA:
                return
            at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")


def _jpeg_ends(encoded):
    """Whether the walk over segments and scans comes to the end marker."""
    at = 2
    while True:
        last = None
        for marker, start in _segments(encoded, at):
            last = marker, start
        if last is None or last[0] != 0xDA:
            return last is not None and last[0] == 0xD9
        at = last[1]
        while True:  # over the scan's data, to the next marker
            at = encoded.find(b"\xff", at)
            if at < 0 or at + 1 >= len(encoded):
                return False
            if encoded[at + 1] == 0xD9:
                return True
            if encoded[at + 1] not in (0x00, 0xFF) and encoded[at + 1] not in _ALONE:
                break
            at += 1 if encoded[at + 1] == 0xFF else 2


def _png_ends(encoded):
    at = len(_PNG)
    while at + 8 <= len(encoded):
        if encoded[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(encoded[at : at + 4], "big")
    return False


def _needs_no_more(encoded, decode):
    if not {marker for marker, _ in _segments(encoded)} & _SEQUENTIAL:
        return False
    endings = (b"", *(bytes([byte]) * 512 for byte in (0x00, 0x55, 0xAA, 0x7F, 0xE4)))
    images: list[Array | None] = [decode(encoded + end + _EOI) for end in endings]
    first = images[0]
    if first is None:
        return False
    return all(p is not None and np.array_equal(first, p) for p in images[1:])
