"""The rotation tag of a served photo, against Pillow and OpenCV."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps
from support.toys import dense_classifier

from kerasfer.deploy.export import Description
from kerasfer.deploy.export.graph import ServedModel
from kerasfer.deploy.export.orientation import orientation, upright
from kerasfer.vision.images import decode_image

ORIENTATION = 0x0112
# Smooth, so that JPEG keeps it; no two of its turns are alike.
IMAGE = (
    np.linspace(0, 120, 16)[:, None, None]
    + np.linspace(0, 60, 24)[None, :, None]
    + np.array([0, 30, 60])
).astype(np.uint8)


def jpeg(tag=None, image=IMAGE, **options):
    exif = Image.Exif()
    if tag is not None:
        exif[ORIENTATION] = tag
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=95, exif=exif, **options)
    return file.getvalue()


def with_segment(encoded, marker, payload, at=2):
    """The file with one more segment behind its first marker."""
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload
    return encoded[:at] + segment + encoded[at:]


def tiff(tag, order, first=8, before=()):
    """An EXIF payload: entries of other tags, then the orientation."""
    entries = [(ORIENTATION, tag), *before]
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, first)
    body = struct.pack(f"{order}H", len(entries))
    for name, value in sorted(entries, reverse=True):
        body += struct.pack(f"{order}HHIHH", name, 3, 1, value, 0)
    return b"Exif\0\0" + head + b"\0" * (first - 8) + body


def turned(encoded):
    image = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE")
    return upright(image, tf.constant(encoded)).numpy()


@pytest.mark.parametrize("tag", range(1, 9))
def test_photos_are_turned_as_by_pillow_and_opencv(tag):
    encoded = jpeg(tag)
    assert int(orientation(tf.constant(encoded))) == tag
    found = turned(encoded)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, decode_image(encoded, "a photo"))
    assert found.shape == ((24, 16, 3) if tag >= 5 else (16, 24, 3))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("first", [8, 26])
@pytest.mark.parametrize("before", [(), ((0x0200, 7), (0x0100, 5))])
def test_both_orders_of_bytes_and_any_place_of_the_entry(order, first, before):
    plain = jpeg()
    encoded = with_segment(plain, 0xE1, tiff(6, order, first, before))
    assert int(orientation(tf.constant(encoded))) == 6
    # Behind JFIF's segment, another APP1 (XMP), a comment, and fill bytes.
    encoded = with_segment(encoded, 0xE1, b"http://ns.adobe.com/xap/1.0/\0x")
    encoded = with_segment(encoded, 0xFE, b"Exif\0\0 is only said here")
    encoded = encoded[:2] + b"\xff\xff" + encoded[2:]
    assert int(orientation(tf.constant(encoded))) == 6


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\xff\xd8",
        jpeg(),
        jpeg(9),
        jpeg(0),
        with_segment(jpeg(), 0xE1, tiff(6, "<")[:9]),
        with_segment(jpeg(), 0xE1, tiff(6, "<", first=8)[:-6]),
        with_segment(jpeg(), 0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        with_segment(jpeg(), 0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"),
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0",
        b"\xff\xd8" + b"\xff" * 1000,
        b"\xff\xd8\xff\xe0\0\0" * 100,
        b"\x89PNG\r\n\x1a\n" + tiff(6, "<"),
        tiff(6, "<"),
    ],
    ids=range(14),
)
def test_anything_else_is_upright(encoded):
    assert int(orientation(tf.constant(encoded))) == 1


def test_what_is_said_in_the_image_itself_is_not_read():
    # The scan's data begin behind FFDA; a segment of theirs would be an accident.
    plain = jpeg()
    scan = plain.index(b"\xff\xda")
    encoded = with_segment(plain, 0xE1, tiff(6, "<"), at=scan + 14)
    assert int(orientation(tf.constant(encoded))) == 1


def test_the_served_signature_turns_photos_of_any_tag():
    description = Description("expressions", ("a", "b", "c"), (4, 4, 3))
    served = ServedModel(dense_classifier(), description).entry_points
    files = [jpeg(tag) for tag in range(1, 9)]
    found = served["serving_default"](tf.constant(files))["probs"].numpy()
    for file, probs in zip(files, found, strict=True):
        image = decode_image(file, "a photo")
        expected = served["images"](image[None])["probs"][0]
        np.testing.assert_allclose(probs, expected, atol=1e-6)
    assert np.ptp(found, axis=0).max() > 1e-3  # turns change the answer
