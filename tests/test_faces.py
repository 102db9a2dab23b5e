import os
import subprocess
import sys

import numpy as np
import pytest

from kerasfer.vision.images import cv2, decode_image, read_image, resize


def encoded(ending, shape=(20, 24, 3)):
    rng = np.random.default_rng(0)
    _, data = cv2.imencode(ending, rng.integers(0, 256, shape).astype(np.uint8))
    return data.tobytes()


def test_colour_order_is_rgb_and_grey_has_one_plane(tmp_path):
    blue = np.zeros((4, 4, 3), np.uint8)
    blue[..., 0] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "blue.png"), blue)
    np.testing.assert_array_equal(read_image(tmp_path / "blue.png")[0, 0], [0, 0, 255])
    assert read_image(tmp_path / "blue.png", channels=1).shape == (4, 4, 1)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_an_image_that_ends_too_early_is_an_error(ending):
    data = encoded(ending)
    assert decode_image(data, "whole").shape == (20, 24, 3)
    with pytest.raises(ValueError, match="face ends too early"):
        decode_image(data[: len(data) // 2], "face")


def test_a_thumbnail_does_not_hide_that_the_image_is_cut_off():
    data, thumbnail = encoded(".jpg"), encoded(".jpg", (8, 8, 3))
    length = (len(thumbnail) + 2).to_bytes(2, "big")
    whole = data[:2] + b"\xff\xe1" + length + thumbnail + data[2:]
    assert decode_image(whole, "whole").shape == (20, 24, 3)
    with pytest.raises(ValueError, match="ends too early"):
        decode_image(whole[:-50], "cut")


@pytest.mark.parametrize("data", [b"", b"path,label\n", b"BM garbage"])
def test_what_is_no_image_is_an_error(data):
    with pytest.raises(ValueError, match="notes.txt is not one"):
        decode_image(data, "notes.txt")


def test_a_missing_image_points_at_the_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` column of the manifest"):
        read_image(tmp_path / "gone.png")


def test_channels_are_one_or_three():
    with pytest.raises(ValueError, match="channels=4"):
        decode_image(encoded(".png"), "x", channels=4)


def test_resize_averages_when_it_shrinks():
    checkers = np.indices((8, 8)).sum(0) % 2 * 200
    image = np.repeat(checkers[..., None], 3, -1).astype(np.uint8)
    np.testing.assert_array_equal(resize(image, (4, 4)), np.full((4, 4, 3), 100))
    assert resize(image[..., :1], (16, 16)).shape == (16, 16, 1)
    assert resize(image, (8, 8)) is image


def test_missing_system_libraries_are_named(tmp_path):
    missing = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({missing!r})")
    process = subprocess.run(
        [sys.executable, "-c", "import kerasfer.vision.images"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    for remedy in ("libgl1", "libglib2.0-0", "opencv-python-headless"):
        assert remedy in process.stderr
