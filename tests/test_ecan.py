"""ECAN: discrepancies of features, by loops and where they are known."""

import numpy as np
import pytest
import tensorflow as tf
from support.quick_recipes import split_of
from support.recipe_runs import imported, parsed
from support.toys import as_images, logits_classifier, softmax

from kerasfer.losses import gaussian_kernel, mean_discrepancy
from kerasfer.schemes import ECAN

RNG = np.random.default_rng(0)
IMAGE, WEAK = RNG.normal(0, 2, (2, 6, 3))
LABELS = np.array([0, 2, 1, 0, 1, 0])


def kernel_by_loops(features, scales=(0.25, 0.5, 1, 2, 4)):
    n = len(features)
    squared = np.array([[np.sum((a - b) ** 2) for b in features] for a in features])
    mean = squared.sum() / (n * (n - 1))
    return np.mean([np.exp(-squared / (2 * c * mean)) for c in scales], 0)


def discrepancy_by_loops(kernel, first, second):
    """|| sum w phi - sum v phi ||^2 over (row, weight) lists, weights made to sum 1."""
    w, v = (np.array([x for _, x in some]) for some in (first, second))
    w, v = w / w.sum(), v / v.sum()
    rows, others = ([i for i, _ in some] for some in (first, second))
    own = sum(
        w[i] * w[j] * kernel[a, b]
        for i, a in enumerate(rows)
        for j, b in enumerate(rows)
    )
    other = sum(
        v[i] * v[j] * kernel[a, b]
        for i, a in enumerate(others)
        for j, b in enumerate(others)
    )
    cross = sum(
        w[i] * v[j] * kernel[a, b]
        for i, a in enumerate(rows)
        for j, b in enumerate(others)
    )
    return own + other - 2 * cross


def test_the_kernel_by_loops():
    features = RNG.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        gaussian_kernel(features), kernel_by_loops(features), rtol=1e-4
    )
    # It does not change with the unit of the features.
    np.testing.assert_allclose(
        gaussian_kernel(features), gaussian_kernel(7 * features), rtol=1e-4
    )
    assert np.all(np.isfinite(gaussian_kernel(np.ones((3, 2), np.float32))))


def test_two_points_and_equal_sets():
    kernel = gaussian_kernel(tf.constant([[0.0], [1.0]]), [1.0])
    value = mean_discrepancy(kernel, tf.constant([1.0, 0]), tf.constant([0, 1.0]))
    np.testing.assert_allclose(value, 2 - 2 * np.exp(-0.5), rtol=1e-6)
    points = RNG.normal(size=(4, 3)).astype(np.float32)
    kernel = gaussian_kernel(np.concatenate([points, points]))
    halves = np.repeat(np.eye(2, dtype=np.float32), 4, 1)
    assert float(mean_discrepancy(kernel, *halves)) < 1e-6
    assert float(mean_discrepancy(kernel, halves[0], tf.zeros(8))) == 0  # none there


def test_it_is_the_equation():
    counts = [6, 3, 1]
    model = ECAN(logits_classifier(), counts, threshold=0.6, momentum=0.5)
    batch = {"image": as_images(IMAGE), "weak": as_images(WEAK)}
    step = model.scheme_step(batch, tf.constant(LABELS, tf.int32))
    q, labeled_shares = softmax(WEAK), np.array(counts) / 10
    shares = 0.5 * labeled_shares + 0.5 * q.mean(0)
    ((state, moved),) = step.updates
    assert state is model.unlabeled_shares
    np.testing.assert_allclose(moved, shares, rtol=1e-5)

    kernel = kernel_by_loops(np.concatenate([IMAGE, WEAK]))
    alpha = [(i, shares[y] / labeled_shares[y]) for i, y in enumerate(LABELS)]
    everyone = [(6 + j, 1.0) for j in range(6)]
    marginal = discrepancy_by_loops(kernel, alpha, everyone)
    conditional, classes = 0.0, 0
    for c in range(3):
        here = [(i, 1.0) for i, y in enumerate(LABELS) if y == c]
        there = [
            (6 + j, 1.0) for j in range(6) if q[j].argmax() == c and q[j].max() >= 0.6
        ]
        if here and there:
            conditional += discrepancy_by_loops(kernel, here, there)
            classes += 1
    assert classes > 0
    np.testing.assert_allclose(step.losses["marginal"], marginal, rtol=1e-4)
    np.testing.assert_allclose(step.losses["conditional"], conditional, rtol=1e-4)


def one_hot_features(counts):
    """Rows whose embedding is their class, so that only shares can differ."""
    return as_images(9.0 * np.repeat(np.eye(3), counts, 0))


def test_other_shares_of_the_same_classes_are_no_discrepancy():
    """Labelled 2 : 2 : 2, unlabelled 4 : 1 : 1, each class alike: alpha makes M1 0,
    where the plain discrepancy is not."""
    labels = tf.constant(np.repeat([0, 1, 2], [2, 2, 2]), tf.int32)
    batch = {"image": one_hot_features([2, 2, 2]), "weak": one_hot_features([4, 1, 1])}
    model = ECAN(logits_classifier(), [2, 2, 2], momentum=0.0)
    assert float(model.scheme_step(batch, labels).losses["marginal"]) < 1e-5
    plain = ECAN(logits_classifier(), [2, 2, 2], momentum=1.0)  # alpha stays 1
    assert float(plain.scheme_step(batch, labels).losses["marginal"]) > 0.01


def test_a_balanced_sampler_would_correct_the_shares_twice():
    for scheme in ("ecan", "defixmatch"):
        recipe = imported("baselines")
        config = parsed(recipe, "--scheme", scheme, "--sampler", "balanced")
        with pytest.raises(ValueError, match="corrects their shares of classes itself"):
            recipe.build_model(config, scheme, split_of())


def test_descent_brings_the_sets_together():
    image, weak = tf.Variable(as_images(IMAGE)), tf.Variable(as_images(WEAK + 3.0))
    model = ECAN(logits_classifier(), threshold=0.0)

    def distance():
        batch = {"image": image, "weak": weak}
        return model.scheme_step(batch, tf.constant(LABELS, tf.int32)).losses

    before = {k: float(v) for k, v in distance().items()}
    for _ in range(30):
        with tf.GradientTape() as tape:
            losses = distance()
            total = losses["marginal"] + losses["conditional"]
        gradients = tape.gradient(total, [image, weak])
        for variable, gradient in zip((image, weak), gradients, strict=True):
            variable.assign_sub(2.0 * gradient)
    after = {k: float(v) for k, v in distance().items()}
    assert after["marginal"] < 0.7 * before["marginal"]
    assert after["conditional"] < before["conditional"]


def test_what_it_refuses():
    with pytest.raises(ValueError, match="momentum"):
        ECAN(logits_classifier(), momentum=1.5)
    with pytest.raises(ValueError, match="`class_counts`"):
        ECAN(logits_classifier(), [3, 0, 1])
