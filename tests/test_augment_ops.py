"""Every operation against Pillow's."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from kerasfer.augment import ops
from kerasfer.vision.images import cv2


def _affine(matrix):
    return lambda image, value: image.transform(
        image.size, Image.AFFINE, matrix(image, value)
    )


# name -> (Pillow's operation, lowest value, highest value)
PILLOW = {
    "auto_contrast": (lambda image, _: ImageOps.autocontrast(image), 0, 1),
    "brightness": (lambda i, v: ImageEnhance.Brightness(i).enhance(v), 0.05, 0.95),
    "color": (lambda i, v: ImageEnhance.Color(i).enhance(v), 0.05, 0.95),
    "contrast": (lambda i, v: ImageEnhance.Contrast(i).enhance(v), 0.05, 0.95),
    "equalize": (lambda image, _: ImageOps.equalize(image), 0, 1),
    "identity": (lambda image, _: image, 0, 1),
    "posterize": (lambda i, v: ImageOps.posterize(i, int(v)), 4, 8),
    "rotate": (lambda i, v: i.rotate(v), -30, 30),
    "sharpness": (lambda i, v: ImageEnhance.Sharpness(i).enhance(v), 0.05, 0.95),
    "shear_x": (_affine(lambda i, v: (1, v, 0, 0, 1, 0)), -0.3, 0.3),
    "shear_y": (_affine(lambda i, v: (1, 0, 0, v, 1, 0)), -0.3, 0.3),
    "solarize": (lambda i, v: ImageOps.solarize(i, v), 0, 256),
    "translate_x": (_affine(lambda i, v: (1, 0, v * i.size[0], 0, 1, 0)), -0.3, 0.3),
    "translate_y": (_affine(lambda i, v: (1, 0, 0, 0, 1, v * i.size[1])), -0.3, 0.3),
}
GEOMETRIC = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
# OpenCV rounds a grey level where Pillow truncates, so a level may differ by one.
ROUNDED = {"color", "sharpness", "contrast"}


def face_like(height, width, channels, seed):
    """Smooth shapes with some noise: no operation is trivial on it."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 6, width // 6, channels), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = image.reshape(height, width, channels).astype(int)
    return np.clip(image + rng.integers(-10, 10, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PILLOW)
def test_agrees_with_pillow(name, channels):
    pillow, low, high = PILLOW[name]
    rng = np.random.default_rng(7)
    for seed in range(20):
        image = face_like(48, 48 if seed % 2 else 61, channels, seed)
        value = rng.uniform(low, high)
        ours = getattr(ops, name)(image, value)
        plane = image[..., 0] if channels == 1 else image
        theirs = np.asarray(pillow(Image.fromarray(plane), value)).reshape(image.shape)
        assert ours.dtype == np.uint8 and ours.shape == image.shape
        difference = np.abs(ours.astype(int) - theirs)
        if name in GEOMETRIC:
            # A source point on the edge of two pixels may fall to either: a column or
            # a row of a sheared image at the most.
            assert (difference > 0).mean() <= 0.02
        else:
            assert difference.max() <= (1 if name in ROUNDED else 0)


def test_values_at_the_ends_of_a_blend():
    image = face_like(24, 24, 3, 0)
    np.testing.assert_array_equal(ops.brightness(image, 1.0), image)
    assert not ops.brightness(image, 0.0).any()
    assert len(np.unique(ops.contrast(image, 0.0))) == 1
    grey = ops.color(image, 0.0)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 1])
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_translation_moves_left_and_fills_with_black():
    image = np.full((4, 10, 3), 200, np.uint8)
    image[:, 3] = 50
    moved = ops.translate_x(image, 0.3)  # 3 of 10 pixels
    assert (moved[:, 0] == 50).all() and not moved[:, 7:].any()


def test_solarize_threshold_is_inverted_too():
    image = np.array([[[99], [100], [101]]], np.uint8)
    np.testing.assert_array_equal(ops.solarize(image, 100).ravel(), [99, 155, 154])


def test_a_constant_image_survives_equalize_and_auto_contrast():
    image = np.full((6, 6, 3), 77, np.uint8)
    np.testing.assert_array_equal(ops.equalize(image), image)
    np.testing.assert_array_equal(ops.auto_contrast(image), image)


@pytest.mark.parametrize("name", PILLOW)
def test_leaves_its_input_alone(name):
    image = face_like(24, 24, 3, 1)
    before = image.copy()
    getattr(ops, name)(image, 0.25 if name != "posterize" else 5)
    np.testing.assert_array_equal(image, before)
