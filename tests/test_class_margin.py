"""Margin losses, and centroids that step with each batch."""

import numpy as np
import pytest
import tensorflow as tf
from support.margins import margin_by_loops, simplex

from kerasfer.layers import MARGIN_LOSSES, ClassCentroids, ClassMargin
from kerasfer.losses import center_loss, island_loss, island_penalty, large_margin_loss

RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.normal(size=(5, 3)).astype(np.float32)
CENTROIDS = RNG.normal(size=(4, 3)).astype(np.float32)
LABELS = np.array([0, 2, 2, 3, 0])


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_squared_distances_have_the_gradient_of_equation_5_along_the_sphere():
    # Its numerator 2 (e - c_y) - 2/(K-1) sum (e - c_k), through the true Jacobian
    # (I - e e^T) / |f| instead of the printed diagonal one.
    f = tf.Variable(EMBEDDINGS[:1])
    with tf.GradientTape() as tape:
        loss = large_margin_loss([1], f, CENTROIDS, squared=True)
    e = EMBEDDINGS[0] / np.linalg.norm(EMBEDDINGS[0])
    c = CENTROIDS / np.linalg.norm(CENTROIDS, axis=1, keepdims=True)
    numerator = 2 * (e - c[1]) - 2 / 3 * sum(e - c[k] for k in (0, 2, 3))
    jacobian = (np.eye(3) - np.outer(e, e)) / np.linalg.norm(EMBEDDINGS[0])
    np.testing.assert_allclose(
        tape.gradient(loss, f)[0], jacobian @ numerator, rtol=1e-4, atol=1e-5
    )
    own = np.sum((e - c[1]) ** 2)
    others = np.mean([np.sum((e - c[k]) ** 2) for k in (0, 2, 3)])
    np.testing.assert_allclose(loss, [own - others], rtol=1e-5)


def test_a_class_without_a_centroid_is_not_among_the_others():
    known = [1.0, 0.0, 1.0, 1.0]
    losses = large_margin_loss(LABELS, EMBEDDINGS, CENTROIDS, known)
    three = np.array([0, 1, 1, 2, 0])  # the same labels, counted without class 1
    expected = margin_by_loops(three, EMBEDDINGS, CENTROIDS[[0, 2, 3]])
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    alone = large_margin_loss([1, 0], EMBEDDINGS[:2], CENTROIDS, [1.0, 0.0, 0.0, 0.0])
    np.testing.assert_array_equal(alone, [0.0, 0.0])


def test_island_loss_is_the_equation():
    pairs = sum(
        cosine(CENTROIDS[j], CENTROIDS[k]) + 1
        for j in range(4)
        for k in range(4)
        if j != k
    )
    np.testing.assert_allclose(island_penalty(CENTROIDS), pairs, rtol=1e-5)
    expected = [
        0.5 * np.sum((f - CENTROIDS[y]) ** 2) + 3.0 * pairs
        for f, y in zip(EMBEDDINGS, LABELS, strict=True)
    ]
    losses = island_loss(LABELS, EMBEDDINGS, CENTROIDS, pair_weight=3.0)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 7])
def test_island_penalty_at_a_perfect_simplex(num_classes):
    # K (K - 1) pairs, each with 1 - 1/(K - 1).
    expected = num_classes * (num_classes - 2)
    np.testing.assert_allclose(
        island_penalty(simplex(num_classes)), expected, atol=1e-4
    )


def test_island_penalty_of_zero_centers_has_a_finite_gradient():
    centers = tf.Variable(tf.zeros((3, 2)))
    with tf.GradientTape() as tape:
        penalty = island_penalty(centers)
    assert float(penalty) == 6.0  # as if orthogonal
    assert np.isfinite(tape.gradient(penalty, centers)).all()


@pytest.mark.parametrize("pair_weight", [0.0, 0.7])
def test_centroids_step_as_written(pair_weight):
    layer = ClassCentroids(4, 3)
    layer.set_means(tf.constant(CENTROIDS), tf.constant([1.0, 1.0, 1.0, 0.0]))
    (centroids, moved), (known, seen) = layer.stepped(
        tf.constant(EMBEDDINGS), tf.one_hot(LABELS, 4), 0.5, pair_weight
    )
    assert centroids is layer.centroids and known is layer.known
    expected = []
    for j in range(3):
        of_class = [f for f, y in zip(EMBEDDINGS, LABELS, strict=True) if y == j]
        step = sum(CENTROIDS[j] - f for f in of_class) / (1 + len(of_class))
        for k in range(3):
            if k != j:
                a, b = CENTROIDS[j], CENTROIDS[k]
                turn = b / np.linalg.norm(a) / np.linalg.norm(b)
                turn -= (a @ b) * a / np.linalg.norm(a) ** 3 / np.linalg.norm(b)
                step = step + pair_weight / 2 * turn
        expected.append(CENTROIDS[j] - 0.5 * step)
    expected.append(EMBEDDINGS[3])  # class 3 is seen for the first time, in one face
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(seen, [1, 1, 1, 1])


def test_the_second_part_of_the_step_is_the_penalty_s_gradient():
    layer = ClassCentroids(4, 3)
    layer.set_means(tf.constant(CENTROIDS), tf.ones(4))
    nobody = tf.zeros((5, 4))
    ((_, moved), _) = layer.stepped(tf.constant(EMBEDDINGS), nobody, 1.0, 1.0)
    centers = tf.Variable(CENTROIDS)
    with tf.GradientTape() as tape:
        penalty = island_penalty(centers)
    # Each pair stands twice in the penalty; the step divides by K - 1.
    np.testing.assert_allclose(
        CENTROIDS - moved, tape.gradient(penalty, centers) / 2 / 3, rtol=1e-4, atol=1e-6
    )


def test_no_centroid_is_no_step():
    layer = ClassCentroids(2, 3)
    updates = layer.stepped(tf.ones((2, 3)), tf.zeros((2, 2)), 0.5, 10.0)
    for variable, value in updates:
        np.testing.assert_array_equal(value, variable.numpy())


def started(loss, **options):
    margin = ClassMargin(loss, 4, 3, **options)
    margin.start(CENTROIDS, np.ones(4))
    return margin


def test_the_three_losses():
    pulls = 0.5 * center_loss(LABELS, EMBEDDINGS, CENTROIDS)
    expected = {
        "large_margin": margin_by_loops(LABELS, EMBEDDINGS, CENTROIDS),
        "center": pulls,
        "island": pulls,
    }
    assert set(expected) == set(MARGIN_LOSSES)
    for loss, values in expected.items():
        losses = started(loss).loss_of(EMBEDDINGS, LABELS)
        np.testing.assert_allclose(losses, values, rtol=1e-5)


@pytest.mark.parametrize("loss", MARGIN_LOSSES)
def test_before_the_first_centroids_there_is_neither_loss_nor_step(loss):
    margin = ClassMargin(loss, 4, 3)
    assert float(margin.factor(0.0)) == 0.0
    np.testing.assert_array_equal(margin.loss_of(EMBEDDINGS, LABELS), np.zeros(5))
    for variable, value in margin.moved(EMBEDDINGS, LABELS, tf.ones(5)):
        np.testing.assert_array_equal(value, variable.numpy())
    assert np.isnan(float(margin.shift()))
    margin.start(np.zeros((4, 3)), np.zeros(4))  # nobody counted
    assert float(margin.factor(0.0)) == 0.0


@pytest.mark.parametrize(
    ("loss", "squared", "mean", "expected"),
    [
        # L_S = 1.2: 1.2 / (0.8 (-0.5 + 2)) = 1, and so on.
        ("large_margin", False, -0.5, 1.0),
        ("large_margin", True, -0.5, 1.2 / (0.8 * 3.5)),
        ("center", False, 3.0, 0.5),
        ("island", False, 300.0, 0.01),  # clipped
        ("large_margin", False, -2.0, 10.0),  # a margin as large as can be: clipped
    ],
)
def test_the_balance_of_the_two_losses(loss, squared, mean, expected):
    margin = started(loss, squared=squared)
    margin.balance(1.2, mean)
    np.testing.assert_allclose(float(margin.weight), expected, rtol=1e-6)
    fixed = started(loss, weight=0.3)
    fixed.balance(1.2, mean)
    np.testing.assert_allclose(float(fixed.weight), 0.3, rtol=1e-6)


def test_the_weight_falls_linearly():
    margin = started("center", weight=2.0, final_weight=0.1)
    values = [float(margin.factor(t)) for t in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(values, [2.0, 1.1, 0.2], rtol=1e-6)
    assert margin.logs(1.0)["margin_weight"] == pytest.approx(0.2)


def test_the_shift_is_of_directions_of_known_classes():
    margin = ClassMargin("center", 3, 2)
    margin.start([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [1.0, 1.0, 0.0])
    assert float(margin.shift()) == 0.0
    margin.centroids.centroids.assign([[0.0, 5.0], [0.0, 9.0], [1.0, 1.0]])
    # Class 0 turned by a right angle, class 1 grew, class 2 is not known.
    np.testing.assert_allclose(float(margin.shift()), 2**0.5 / 2, rtol=1e-5)
    margin.record()
    assert float(margin.shift()) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "softmax"}, "one of large_margin, center, island. Received: 'softm"),
        ({"loss": "center", "weight": -1}, 'must be "balanced" or at least 0'),
        ({"loss": "center", "weight": "auto"}, "Received: 'auto'"),
        ({"loss": "center", "rate": 1.5}, r"centroid_rate in \[0, 1\]. .* and 1.5"),
        ({"loss": "island", "pair_weight": -1.0}, "pair_weight of at least 0"),
        ({"loss": "center", "final_weight": -1.0}, "Expected final_weight and"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassMargin(num_classes=2, width=2, **arguments)
