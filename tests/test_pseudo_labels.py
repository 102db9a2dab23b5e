import numpy as np
import pytest
import tensorflow as tf

from kerasfer.targets.pseudo_labels import (
    centroid_memberships,
    hard_pseudo_labels,
    sharpen,
)


def test_threshold_is_inclusive_and_may_be_per_class():
    probs = tf.constant([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]])
    labels, mask = hard_pseudo_labels(probs, 0.75)
    np.testing.assert_array_equal(labels, [0, 0, 1])
    np.testing.assert_array_equal(mask, [1, 0, 1])
    _, mask = hard_pseudo_labels(probs, [0.5, 0.8])
    np.testing.assert_array_equal(mask, [1, 1, 0])
    _, mask = hard_pseudo_labels(probs, 1.1)
    np.testing.assert_array_equal(mask, [0, 0, 0])


def test_a_wrong_number_of_thresholds_is_an_error():
    with pytest.raises(ValueError, match=r"Expected shape \(2,\)"):
        hard_pseudo_labels(tf.constant([[0.5, 0.5]]), [0.1, 0.2, 0.3])


def test_sharpen():
    # [.64, .04] / .68
    np.testing.assert_allclose(
        sharpen([[0.8, 0.2]], 0.5), [[16 / 17, 1 / 17]], rtol=1e-6
    )
    probs = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(sharpen(probs, 1.0), probs, rtol=1e-6)
    np.testing.assert_allclose(sharpen([[0.5, 0.5, 0.0]], 0.1), [[0.5, 0.5, 0.0]])
    with pytest.raises(ValueError, match="must be > 0"):
        sharpen(probs, 0.0)


@pytest.mark.parametrize(
    ("num_classes", "tau", "peak"),
    [
        (7, 1.0, 0.434),
        (8, 1.0, 0.393),
        (7, 0.5, 0.780),
        (7, 0.3, 0.964),
        (8, 0.3, 0.957),
    ],
)
def test_peak_of_the_softmax_membership_at_a_simplex(num_classes, tau, peak):
    # exp(0) / (1 + (K-1) exp(-sqrt(2K/(K-1)) / tau))
    corners = np.eye(num_classes, dtype=np.float32) - 1 / num_classes
    q = centroid_memberships(corners, corners, np.ones(num_classes), "softmax", tau)
    np.testing.assert_allclose(np.diag(q), peak, atol=6e-4)
    np.testing.assert_allclose(np.sum(q, -1), 1.0, rtol=1e-5)


def test_inverse_membership_is_the_fuzzy_mean():
    # Unit vectors at 60 and 90 degrees: D = 1 and sqrt(2); D^-2 = 1 and 1/2.
    centroids = [[0.5, np.sqrt(0.75)], [0.0, -1.0]]
    q = centroid_memberships([[1.0, 0.0]], centroids, [1, 1], "inverse", 1.0)
    np.testing.assert_allclose(q, [[2 / 3, 1 / 3]], rtol=1e-5)
    at_a_centroid = centroid_memberships(
        centroids[:1], centroids, [1, 1], "inverse", 1.0
    )
    np.testing.assert_allclose(at_a_centroid, [[1.0, 0.0]], atol=1e-5)


@pytest.mark.parametrize("membership", ["softmax", "inverse"])
def test_unknown_classes_get_nothing(membership):
    centroids = [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    q = centroid_memberships([[1.0, 0.2]], centroids, [1, 0, 1], membership, 0.3)
    assert q[0, 1] == 0 and q[0, 0] > q[0, 2] > 0
    nothing = centroid_memberships([[1.0, 0.2]], centroids, [0, 0, 0], membership, 0.3)
    assert np.isfinite(nothing).all()
    np.testing.assert_allclose(np.sum(nothing, -1), 1.0, rtol=1e-6)


def test_memberships_are_constants_and_names_are_checked():
    f = tf.Variable([[1.0, 0.2]])
    with tf.GradientTape() as tape:
        q = centroid_memberships(f, [[1.0, 0.0], [0.0, 1.0]], [1, 1], "softmax", 0.3)
    assert tape.gradient(q, f) is None
    with pytest.raises(ValueError, match="softmax, inverse"):
        centroid_memberships(f, [[1.0, 0.0]], [1], "cosine", 0.3)
