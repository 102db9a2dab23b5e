import numpy as np
import pytest

from kerasfer.schedules import linear_decay, linear_ramp
from kerasfer.targets.mixup import mixup


def test_mixup_by_hand():
    # argsort of the keys: entry 1, 2, 0 are the partners of 0, 1, 2.
    images = np.array([0, 8, 4], np.uint8).reshape(3, 1, 1, 1)
    labels = np.eye(3, dtype=np.float32)
    mixed, targets = mixup(images, labels, [0.75, 1.0, 0.5], [0.9, 0.1, 0.5])
    np.testing.assert_allclose(np.ravel(mixed), [2.0, 8.0, 2.0])
    np.testing.assert_allclose(targets, [[0.75, 0.25, 0], [0, 1, 0], [0.5, 0, 0.5]])


def test_weight_one_is_the_identity_and_labels_stay_distributions():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 2, 2, 3)).astype(np.uint8)
    labels = rng.dirichlet(np.ones(4), 5).astype(np.float32)
    key, weight = rng.random(5), rng.uniform(0.5, 1, 5).astype(np.float32)
    same, same_labels = mixup(images, labels, np.ones(5, np.float32), key)
    np.testing.assert_array_equal(same, images)
    np.testing.assert_array_equal(same_labels, labels)
    _, mixed = mixup(images, labels, weight, key)
    np.testing.assert_allclose(np.sum(mixed, -1), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("progress", "length", "expected"),
    [(0, 0.4, 0), (0.1, 0.4, 0.25), (0.4, 0.4, 1), (1, 0.4, 1), (0, 0, 1)],
)
def test_linear_ramp(progress, length, expected):
    np.testing.assert_allclose(linear_ramp(progress, length), expected, rtol=1e-6)


def test_linear_decay():
    values = [float(linear_decay(t, final=0.1)) for t in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(values, [1.0, 0.55, 0.1], rtol=1e-6)
