"""Crops from landmarks and boxes; temperatures and calibration errors."""

import numpy as np
import pytest

from kerasfer.deploy.calibration import (
    expected_calibration_error,
    fitted_temperature,
    with_temperature,
)
from kerasfer.vision.alignment import CROPS, Crop, cut_out, similarity


def turned(points, angle, scale, shift):
    turn = scale * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    return points @ turn.T + shift


def test_a_similarity_is_found_again():
    points = np.random.default_rng(0).random((5, 2))
    target = turned(points, 0.3, 2.5, np.array([4.0, -1.0]))
    matrix = similarity(points, target)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], target)


def test_a_similarity_does_not_mirror():
    points = np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 2.0)])
    matrix = similarity(points, points * [-1, 1])
    assert np.linalg.det(matrix[:, :2]) > 0


def test_equal_landmarks_are_refused():
    with pytest.raises(ValueError, match="landmarks that differ"):
        similarity(np.ones((5, 2)), np.zeros((5, 2)))


@pytest.mark.parametrize("side", [16, 64, 200])
def test_a_face_lands_where_the_template_says(side):
    """Five dots at the landmarks of a turned face end at the template's points."""
    crop = CROPS["arcface"]
    points = turned(np.array(crop.points) - 0.5, 0.4, 120.0, np.array([150.0, 130.0]))
    photo = np.zeros((260, 300, 1), np.uint8)
    yy, xx = np.mgrid[:260, :300]
    for x, y in points:
        photo[(xx - x) ** 2 + (yy - y) ** 2 <= 5**2] = 255
    result = cut_out(photo, crop, (side, side), box=None, landmarks=points)
    assert result.shape == (side, side, 1)
    found = np.argwhere(result[..., 0] > 127)[:, ::-1]
    for x, y in np.array(crop.points) * side - 0.5:
        near = found[np.abs(found - (x, y)).max(1) < 0.1 * side]
        assert len(near) and np.abs(near.mean(0) - (x, y)).max() < 1.0


def test_an_upright_crop_of_the_same_size_is_the_image():
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    crop = Crop("whole", "box")
    result = cut_out(photo, crop, (40, 40), box=(10, 0, 40, 40))
    np.testing.assert_array_equal(result, photo[:, 10:50])


def test_shrinking_averages_areas():
    photo = np.zeros((64, 64, 1), np.uint8)
    photo[::2] = 200  # sampled every fourth row it would be 200 or 0
    result = cut_out(photo, Crop("whole", "box"), (16, 16), box=(0, 0, 64, 64))
    assert np.abs(result[1:-1, 1:-1].astype(int) - 100).max() <= 1


def test_a_box_is_squared_and_grown():
    photo = np.zeros((100, 100, 1), np.uint8)
    photo[30:70, 40:60] = 255  # a box of 20 by 40; its square is 40, with margins 80
    result = cut_out(photo, Crop("wide", "box", margin=0.5), (80, 80), (40, 30, 20, 40))
    expected = np.zeros((80, 80), np.uint8)
    expected[20:60, 30:50] = 255
    np.testing.assert_array_equal(result[..., 0], expected)


def test_outside_of_the_photo_is_black():
    photo = np.full((20, 20, 3), 255, np.uint8)
    result = cut_out(photo, Crop("box", "box"), (20, 20), box=(-10, -10, 20, 20))
    assert not result[:9, :9].any() and (result[11:, 11:] == 255).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", "circle"), "`kind` must be one of"),
        (("x", "landmarks", ((0, 0),)), "`points` of shape"),
        (("x", "box", ((0, 0),)), "`points` of shape"),
        (("x", "box", (), -0.1), "`margin` must be 0 to 10"),
    ],
)
def test_crops_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        Crop(*arguments)


def test_what_a_crop_needs():
    photo = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="needs five landmarks"):
        cut_out(photo, CROPS["arcface"], (8, 8), box=(0, 0, 9, 9))
    with pytest.raises(ValueError, match="box with an area"):
        cut_out(photo, CROPS["box"], (8, 8), box=(0, 0, 0, 0))


def test_a_temperature_divides_the_logits():
    logits = np.random.default_rng(0).normal(size=(6, 4)) * 3
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    cooler = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(-1, keepdims=True)
    np.testing.assert_allclose(with_temperature(probs, 2.5), cooler, rtol=1e-5)
    units = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(
        with_temperature(units, 2.5, "action_units"),
        1 / (1 + np.exp(-logits / 2.5)),
        rtol=1e-5,
    )


def test_certainty_stays_finite():
    for task in ("expressions", "action_units"):
        probs = with_temperature([[1.0, 0.0]], 3.0, task).numpy()
        assert np.isfinite(probs).all() and probs[0, 0] > 0.99


def test_a_temperature_of_one_changes_nothing():
    probs = np.float32([[0.1, 0.9]])
    np.testing.assert_array_equal(with_temperature(probs, 1.0), probs)


def test_the_temperature_makes_confidence_the_accuracy():
    # Right 3 times in 4 at 0.99: T with 99^(1/T) = 3, log 99 / log 3 = 4.1827.
    probs = np.tile([0.99, 0.01], (4, 1))
    fitted = fitted_temperature([0, 0, 0, 1], probs)
    np.testing.assert_allclose(fitted, np.log(99) / np.log(3), rtol=1e-3)


def test_the_temperature_of_units_leaves_out_what_is_not_annotated():
    probs = np.tile([[0.99, 0.5]], (5, 1))
    labels = np.array([[1, -1], [1, -1], [1, -1], [0, -1], [-1, -1]], float)
    fitted = fitted_temperature(labels, probs, "action_units")
    np.testing.assert_allclose(fitted, np.log(99) / np.log(3), rtol=1e-3)
    np.testing.assert_allclose(
        expected_calibration_error(labels, probs, "action_units"), 0.24, atol=1e-6
    )


def test_the_calibration_error_by_loops():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(4), 300)
    labels = rng.integers(0, 4, 300)
    labels[:20] = -1  # unknown, left out
    expected, known = 0.0, labels >= 0
    for low in np.arange(15) / 15:
        inside = (probs.max(1) > low) & (probs.max(1) <= low + 1 / 15) & known
        if inside.any():
            right = (probs.argmax(1) == labels)[inside].mean()
            gap = abs(right - probs.max(1)[inside].mean())
            expected += inside.sum() / known.sum() * gap
    np.testing.assert_allclose(expected_calibration_error(labels, probs), expected)


def test_all_right_and_sure_is_calibrated():
    assert expected_calibration_error([0, 0], [[1.0, 0.0]] * 2) == 0


@pytest.mark.parametrize("function", [fitted_temperature, expected_calibration_error])
def test_calibration_needs_labels(function):
    with pytest.raises(ValueError, match="needs labelled faces"):
        function([-1, -1], [[0.5, 0.5]] * 2)
