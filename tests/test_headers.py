"""What a file says before it is decoded: sizes, ends, and lies."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasfer.vision.headers import size_of, whole
from kerasfer.vision.images import MOST_PIXELS, cv2, decode_image

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)


def encoded(form, **options):
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, form, **options)
    return file.getvalue()


FORMS = {
    "baseline": encoded("JPEG", quality=90),
    "progressive": encoded("JPEG", quality=90, progressive=True),
    "optimised": encoded("JPEG", quality=40, optimize=True, subsampling=2),
    "png": encoded("PNG"),
}
# An MP4 of a motion photo, with what looks like scans and ends in it.
BEHIND = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x0c" * 20 + bytes(range(256)) * 4


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_size_by_the_header(form):
    assert size_of(encoded(form)) == (40, 24)


@pytest.mark.parametrize("some", [b"", b"text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_no_size(some):
    assert size_of(some) is None


@pytest.mark.parametrize("name", FORMS)
def test_data_behind_the_end_are_none_of_the_image(name):
    every = FORMS[name]
    expected = decode_image(every, name)
    for behind in (BEHIND, b"\0" * 100, b"text\n", BEHIND * 50):
        np.testing.assert_array_equal(decode_image(every + behind, name), expected)


@pytest.mark.parametrize("name", ["baseline", "optimised"])
def test_a_jpeg_without_its_end_marker_is_whole(name):
    every = FORMS[name]
    image = decode_image(every[:-2], name)
    np.testing.assert_array_equal(image, decode_image(every, name))


@pytest.mark.parametrize("name", FORMS)
def test_every_cut_is_found(name):
    """Of many lengths, down to the headers."""
    every = FORMS[name]
    expected = decode_image(every, name)
    for length in {*range(1, len(every) - 2, 7), len(every) - 5, len(every) - 13}:
        try:
            image = decode_image(every[:length], "cut.jpg")
        except ValueError:
            continue
        np.testing.assert_array_equal(image, expected)  # the end marker alone is cut


def test_a_cut_with_other_data_behind_is_found():
    every = FORMS["baseline"]
    cut = every[: len(every) * 2 // 3]
    assert whole(cut, lambda some: cv2.imdecode(np.frombuffer(some, "u1"), 1)) is None


def _png_of(width, height):
    """A PNG of a kilobyte that claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(name, body):
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    body = zlib.compress(b"\0" * 1000)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks)


def _jpeg_of(width, height):
    every = bytearray(FORMS["baseline"])
    at = every.index(b"\xff\xc0")
    every[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(every)


@pytest.mark.parametrize(
    ("make", "width", "height"),
    [
        (_png_of, 40_000, 40_000),
        (_png_of, 2**31 - 1, 1),
        (_png_of, 1, 2**31 - 1),
        (_jpeg_of, 65_000, 65_000),
    ],
)
def test_a_claim_of_too_many_pixels_is_refused_before_decoding(make, width, height):
    assert width * height > MOST_PIXELS
    with pytest.raises(ValueError, match=f"claims {width} x {height} pixels"):
        decode_image(make(width, height), "bomb")


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, 0), (20_000, 9_000)])
def test_other_lies_are_clean_errors(width, height):
    with pytest.raises(ValueError, match="lie"):
        decode_image(_png_of(width, height), "lie")
