import math

import numpy as np
import pytest
import tensorflow as tf
from support.margins import margin_by_loops, simplex

from kerasfer.losses import (
    batch_mean,
    cross_entropy,
    large_margin_loss,
    masked_mean,
    probability_error,
    unit_distances,
)


def test_large_margin_is_the_equation():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(6, 5)).astype(np.float32)
    centroids = rng.normal(size=(4, 5)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 3, 0])
    expected = margin_by_loops(labels, embeddings, centroids)
    hard = large_margin_loss(labels, embeddings, centroids)
    np.testing.assert_allclose(hard, expected, rtol=1e-5)
    one_hot = np.eye(4, dtype=np.float32)[labels]
    soft = large_margin_loss(one_hot, embeddings, centroids)
    np.testing.assert_allclose(soft, expected, rtol=1e-5)


def test_large_margin_is_linear_in_a_soft_label():
    rng = np.random.default_rng(1)
    embeddings, centroids = rng.normal(size=(1, 5)), rng.normal(size=(3, 5))
    each = [float(large_margin_loss([k], embeddings, centroids)[0]) for k in range(3)]
    mixed = large_margin_loss([[0.5, 0.2, 0.3]], embeddings, centroids)
    np.testing.assert_allclose(mixed, [np.dot([0.5, 0.2, 0.3], each)], rtol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 7, 8])
def test_large_margin_at_a_perfect_simplex(num_classes):
    # Own distance 0, every other sqrt(2K / (K-1)): -1.5275 for seven classes.
    centroids = simplex(num_classes)
    losses = large_margin_loss(np.arange(num_classes), centroids, centroids)
    expected = -math.sqrt(2 * num_classes / (num_classes - 1))
    np.testing.assert_allclose(losses, [expected] * num_classes, atol=1e-5)


def test_large_margin_ignores_lengths():
    rng = np.random.default_rng(2)
    f, c = rng.normal(size=(2, 5)), rng.normal(size=(3, 5))
    np.testing.assert_allclose(
        large_margin_loss([0, 2], 9 * f, 0.1 * c),
        large_margin_loss([0, 2], f, c),
        rtol=1e-5,
    )


def test_large_margin_gradient_is_that_of_equation_3():
    # A finite difference on two entries; the printed Eq. 5 would fail here.
    rng = np.random.default_rng(3)
    f, c = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(3, 4))
    variable = tf.Variable(f)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(large_margin_loss([1], variable, c))
    gradient = tape.gradient(loss, variable).numpy()[0]
    for entry in (0, 3):
        step = np.zeros_like(f)
        step[0, entry] = 1e-2
        up = margin_by_loops([1], (f + step).astype(float), c)[0]
        down = margin_by_loops([1], (f - step).astype(float), c)[0]
        # Central difference of step h: error of order h^2.
        np.testing.assert_allclose(gradient[entry], (up - down) / 0.02, atol=1e-3)


def test_no_gradient_reaches_the_centroids():
    centroids = tf.Variable([[1.0, 0.0], [0.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(large_margin_loss([0], [[0.3, 0.4]], centroids))
    assert tape.gradient(loss, centroids) is None


@pytest.mark.parametrize("embedding", [[0.0, 0.0], [1.0, 0.0], [1e-30, 0.0]])
def test_gradient_is_finite_at_zero_and_at_a_centroid(embedding):
    f = tf.Variable([embedding])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(large_margin_loss([0], f, [[1.0, 0.0], [0.0, 1.0]]))
    assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, f)).all()


def test_a_zero_embedding_is_at_distance_one():
    np.testing.assert_allclose(
        unit_distances([[0.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]]), [[1, 1]], rtol=1e-6
    )


def test_cross_entropy_of_hard_and_soft_labels():
    outputs = {"logits": tf.constant([[0.0, 0.0, math.log(2)]])}  # 1/4, 1/4, 1/2
    np.testing.assert_allclose(cross_entropy([2], outputs), [math.log(2)], rtol=1e-6)
    soft = cross_entropy(tf.constant([[0.5, 0.0, 0.5]]), outputs)
    np.testing.assert_allclose(soft, [1.5 * math.log(2)], rtol=1e-6)


def test_probability_error_is_divided_by_the_classes_once():
    # (1 - 1/4)^2 + 3 (1/4)^2 = 3/4, over 4 classes.
    loss = probability_error(
        tf.constant([[1.0, 0.0, 0.0, 0.0]]), {"logits": tf.zeros((1, 4))}
    )
    np.testing.assert_allclose(loss, [3 / 16], rtol=1e-6)


def test_the_two_means_differ_in_their_denominator():
    values, mask = tf.constant([2.0, 5.0, 4.0]), tf.constant([1.0, 0.0, 1.0])
    np.testing.assert_allclose(batch_mean(values * mask), 2.0)
    np.testing.assert_allclose(masked_mean(values, mask), 3.0)


def test_masked_mean_of_nothing_is_zero_with_a_finite_gradient():
    values = tf.Variable([2.0, 5.0])
    with tf.GradientTape() as tape:
        mean = masked_mean(values, tf.zeros(2))
    assert float(mean) == 0.0
    np.testing.assert_array_equal(tape.gradient(mean, values), [0.0, 0.0])
