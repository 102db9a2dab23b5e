"""MTCNN compiled: boxes by hand, and the package itself as the reference."""

import functools

import numpy as np
import pytest

from kerasfer.data.synthetic import render
from kerasfer.vision.detection.boxes import best_of_each, overlaps, shifted, squared
from kerasfer.vision.detection.cascade import Cascade, _scales
from kerasfer.vision.images import cv2

LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@functools.cache
def cascade():
    return Cascade()


def test_overlaps_by_hand():
    boxes = np.array([(0, 0, 4, 4), (2, 0, 6, 4), (0, 0, 2, 2), (9, 9, 10, 10)], float)
    union, smaller = overlaps(boxes), overlaps(boxes, "smaller")
    assert union[0, 1] == pytest.approx(8 / 24) and smaller[0, 1] == 8 / 16
    assert union[0, 2] == pytest.approx(4 / 16) and smaller[0, 2] == 1.0
    assert not union[3, :3].any() and (np.diag(union) == 1).all()
    np.testing.assert_array_equal(union, union.T)


def test_the_best_of_each_and_what_they_suppress():
    # A row of boxes, each half on the next: c overlaps b, b overlaps a. b goes for a,
    # and c for b, although b goes itself.
    boxes = np.array([(0, 0, 4, 4), (1, 0, 5, 4), (2, 0, 6, 4)], float)
    threshold = 0.5  # neighbours share 12 of 20, ends 8 of 24
    assert [*best_of_each(boxes, np.array([0.9, 0.8, 0.7]), threshold)] == [0]
    assert [*best_of_each(boxes, np.array([0.7, 0.9, 0.8]), threshold)] == [1]
    assert [*best_of_each(boxes, np.array([0.7, 0.5, 0.8]), threshold)] == [2, 0]
    assert len(best_of_each(np.zeros((0, 4)), np.zeros(0), threshold)) == 0


def test_moved_and_squared_boxes():
    boxes = np.array([(2.0, 4.0, 11.0, 23.0)])  # 10 by 20 pixels, ends counted
    offsets = np.array([(0.1, -0.1, 0.2, 0.05)])
    np.testing.assert_allclose(shifted(boxes, offsets), [(3, 2, 13, 24)])
    np.testing.assert_allclose(squared(boxes), [(-3, 4, 16, 23)])


def test_scales_end_where_a_side_is_a_cell():
    scales = _scales((350, 500))
    assert scales[0] == 0.6 and np.allclose(scales[1:] / scales[:-1], 0.709)
    assert 350 * scales[-1] >= 12 * 0.6
    assert len(_scales((5, 500))) == 0


def photos():
    """A photo of three drawn faces, of one, of none, and ones hardly a cell high."""
    faces = render(12, seed=7, size=224, domain="posed")[0]
    party = np.full((300, 800, 3), 170, np.uint8)
    for column, number in enumerate((0, 3, 5)):
        party[40:264, 20 + 250 * column : 244 + 250 * column] = faces[number]
    rng = np.random.default_rng(0)
    one = cv2.resize(faces[1], (150, 130), interpolation=cv2.INTER_AREA)
    noise = rng.integers(0, 256, (90, 120, 3), np.uint8)
    return [party, one, noise, noise[:14, :40], noise[:13, :13], noise[:5]]


def expected(image):
    import mtcnn

    faces = mtcnn.MTCNN().detect_faces(image)
    boxes = np.array([face["box"] for face in faces], float).reshape(-1, 4)
    points = [[face["keypoints"][name] for name in LANDMARKS] for face in faces]
    return boxes, np.array(points, float).reshape(-1, 5, 2)


@pytest.mark.parametrize("number", range(6))
def test_it_finds_what_the_package_finds(number):
    """To the rounding of the package, which also clips boxes to the photo."""
    image = photos()[number]
    boxes, points = expected(image)
    assert number or len(boxes) == 2, "the reference finds two of three drawn faces"
    found = cascade()(image)
    assert len(found.boxes) == len(boxes)
    end = np.array(image.shape[1::-1]) - 1
    low, high = (np.clip(found.boxes[:, i : i + 2], 0, end) for i in (0, 2))
    ours = np.concatenate([low, high - low], 1)
    np.testing.assert_allclose(ours, boxes, atol=0.51)
    np.testing.assert_allclose(found.landmarks, points, atol=0.51)


def test_the_order_of_photos_changes_nothing():
    first = [cascade()(image) for image in photos()[:3]]
    again = [cascade()(image) for image in photos()[2::-1]][::-1]
    for one, other in zip(first, again, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
