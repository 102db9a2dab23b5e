import numpy as np
import pytest

from kerasfer.augment import strong_view, weak_view
from kerasfer.augment.views import STRONG_DRAWS, apply_strong, apply_weak


def gradient_image(side=16):
    ramp = np.arange(side * side, dtype=np.uint8).reshape(side, side)
    return np.repeat(ramp[..., None], 3, -1)


@pytest.mark.parametrize("view", [weak_view, strong_view])
def test_is_a_function_of_image_and_seed(view):
    image = gradient_image()
    before = image.copy()
    np.testing.assert_array_equal(view(image, 3), view(image, 3))
    np.testing.assert_array_equal(image, before)
    assert len({view(image, seed).tobytes() for seed in range(20)}) > 3


@pytest.mark.parametrize("view", [weak_view, strong_view])
@pytest.mark.parametrize("channels", [1, 3])
def test_gives_the_size_asked_for(view, channels):
    image = np.zeros((20, 30, channels), np.uint8)
    assert view(image, 0).shape == (20, 30, channels)
    assert view(image, 0, size=(48, 40)).shape == (48, 40, channels)
    assert view(image, 0).dtype == np.uint8


def test_weak_view_by_hand():
    image = gradient_image(16)
    # Dice: crops if < .5, offset across, offset down, mirrors if < .5. pad 1/8 of 16 is
    # 2 pixels, so the first of 5 offsets is -2: the image moves 2 to the right.
    still = apply_weak(image, [0.9, 0.0, 0.0, 0.9], (16, 16), 1 / 8)
    np.testing.assert_array_equal(still, image)
    mirrored = apply_weak(image, [0.9, 0.0, 0.0, 0.1], (16, 16), 1 / 8)
    np.testing.assert_array_equal(mirrored, image[:, ::-1])
    moved = apply_weak(image, [0.1, 0.0, 0.5, 0.9], (16, 16), 1 / 8)
    np.testing.assert_array_equal(moved[:, 2:], image[:, :-2])
    assert not moved[:, :2].any()
    moved = apply_weak(image, [0.1, 0.5, 0.999, 0.9], (16, 16), 1 / 8)
    np.testing.assert_array_equal(moved[:-2], image[2:])
    assert not moved[-2:].any()


def test_without_border_only_the_mirror_is_left():
    image = gradient_image()
    views = {weak_view(image, seed, pad=0).tobytes() for seed in range(30)}
    assert views == {image.tobytes(), np.ascontiguousarray(image[:, ::-1]).tobytes()}


def test_strong_view_by_hand():
    # Three times operation 5 of 14 (identity); a cutout of half of 16 pixels about the
    # centre, far edge included; no crop, no mirror.
    rng = np.array([5.5 / 14, 0.0] * 3 + [1.0, 0.5, 0.5] + [0.9, 0.0, 0.0, 0.9])
    assert len(rng) == STRONG_DRAWS
    expected = gradient_image(16)
    expected[4:13, 4:13] = (125, 123, 114)
    np.testing.assert_array_equal(
        apply_strong(gradient_image(16), rng, (16, 16), 0), expected
    )


def test_strong_view_posterizes_to_whole_bits():
    # Operation 6 of 14 with value 4 + 4 * 0.999 = 7.996: int() keeps 7 bits, not 8.
    rng = np.array([6.5 / 14, 0.999] * 3 + [0.0, 0.0, 0.0] + [0.9, 0.0, 0.0, 0.9])
    view = apply_strong(gradient_image(16), rng, (16, 16), 0)
    assert not (view[1:] & 1).any() and (view[1:] & 2).any()


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8)],
)
def test_refuses_what_is_not_an_image(image):
    with pytest.raises(ValueError, match="Expected one uint8 image"):
        weak_view(image, 0)
