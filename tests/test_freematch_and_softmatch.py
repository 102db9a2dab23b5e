"""FreeMatch and SoftMatch: their equations, with loops, and what they promise."""

import numpy as np
import pytest
import tensorflow as tf
from support.toys import as_images, logits_classifier, softmax

from kerasfer.schemes import FreeMatch, SoftMatch
from kerasfer.schemes.freematch import fairness
from kerasfer.targets.pseudo_labels import distribution_alignment

RNG = np.random.default_rng(0)
LABELED, WEAK, STRONG = RNG.normal(0, 2, (3, 6, 3))
LABELS = np.array([0, 2, 1, 0, 1, 2])


def step_of(model):
    batch = {"image": as_images(LABELED), "weak": as_images(WEAK)}
    batch["strong"] = as_images(STRONG)
    return model.scheme_step(batch, tf.constant(LABELS, tf.int32))


def cross_entropy(logits, labels):
    probs = softmax(logits)
    return np.array([-np.log(p[k]) for p, k in zip(probs, labels, strict=True)])


def free_states(q, m, tau, p, h):
    count = len(q)
    new_tau = m * tau + (1 - m) * sum(max(row) for row in q) / count
    new_p = [m * p[k] + (1 - m) * sum(row[k] for row in q) / count for k in range(3)]
    hits = [sum(row.argmax() == k for row in q) / count for k in range(3)]
    return (
        new_tau,
        np.array(new_p),
        np.array([m * h[k] + (1 - m) * hits[k] for k in range(3)]),
    )


def free_fairness(strong, mask, p, h):
    kept = [softmax(row) for row, keep in zip(strong, mask, strict=True) if keep]
    mean = np.mean(kept, 0)
    hits = np.array([sum(row.argmax() == k for row in kept) for k in range(3)]) / len(
        kept
    )
    ratio = np.array([m / f if f else 0.0 for m, f in zip(mean, hits, strict=True)])
    wanted = (p / h) / (p / h).sum()
    return (wanted * np.log(ratio / ratio.sum() + 1e-12)).sum()


def test_freematch_over_three_steps():
    model = FreeMatch(logits_classifier(), momentum=0.2)
    q = softmax(WEAK)
    tau, p, h = 1 / 3, np.full(3, 1 / 3), np.full(3, 1 / 3)
    for _ in range(3):
        step = step_of(model)
        tau, p, h = free_states(q, 0.2, tau, p, h)
        limits = tau * p / p.max()
        guesses = q.argmax(1)
        mask = q.max(1) >= limits[guesses]
        np.testing.assert_array_equal(step.pseudo.labels, guesses)
        np.testing.assert_array_equal(step.pseudo.mask, mask)
        unlabeled = (mask * cross_entropy(STRONG, guesses)).mean()
        supervised = cross_entropy(LABELED, LABELS).mean()
        expected = {
            "supervised": supervised,
            "unlabeled": unlabeled,
            "fairness": free_fairness(STRONG, mask, p, h),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(
                step.losses[name], value, rtol=1e-5, err_msg=name
            )
        for variable, value in step.updates:
            variable.assign(value)
        np.testing.assert_allclose(model.thresholds(), limits, rtol=1e-5)
    assert 0 < mask.sum() < len(mask)


def test_the_first_step_of_freematch_by_hand():
    # m = 0.999; q = (0.9, 0.1), (0.6, 0.4): mean of the maxima 0.75, of q (0.75, 0.25).
    model = FreeMatch(logits_classifier(2))
    batch = {view: as_images(np.log([[0.9, 0.1], [0.6, 0.4]])) for view in
             ("image", "weak", "strong")}  # fmt: skip
    states = [
        value for _, value in model.scheme_step(batch, tf.constant([0, 1])).updates
    ]
    np.testing.assert_allclose(states[0], 0.999 / 2 + 0.001 * 0.75, rtol=1e-6)
    expected = 0.999 / 2 + 0.001 * np.array([0.75, 0.25])
    np.testing.assert_allclose(states[1], expected, rtol=1e-6)
    expected = 0.999 / 2 + 0.001 * np.array([1.0, 0.0])
    np.testing.assert_allclose(states[2], expected, rtol=1e-6)


def test_fairness_of_balanced_predictions_is_minus_the_log_of_the_classes():
    uniform = np.full(3, 1 / 3, np.float32)
    logits = tf.constant(40.0 * np.eye(3), tf.float32)
    found = fairness(logits, tf.ones(3), uniform, uniform)
    np.testing.assert_allclose(found, -np.log(3), rtol=1e-5)


def test_fairness_where_nothing_passes_is_0_and_so_is_its_gradient():
    uniform = np.full(3, 1 / 3, np.float32)
    logits = tf.constant(STRONG, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = fairness(logits, tf.zeros(6), uniform, uniform)
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros((6, 3)))


def test_the_sign_of_fairness_is_that_of_the_authors():
    """Sum of w log r: at its highest where r = w, so that descent leads away from w.
    Class 1 is guessed with less confidence than class 0, and loses more of it."""
    uniform = tf.fill([2], 0.5)
    logits = tf.constant([[4.0, 0.0], [0.0, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = fairness(logits, tf.ones(2), uniform, uniform)
    gradient = tape.gradient(loss, logits).numpy()
    assert float(loss) < -np.log(2)
    assert gradient[1, 1] > 0 and gradient[1, 0] < 0


def soft_states(q, m, p, mean, variance):
    new_p = m * p + (1 - m) * q.mean(0)
    aligned = np.array([row * (1 / 3 + 1e-6) / (new_p + 1e-6) for row in q])
    confidence = np.array([(row / row.sum()).max() for row in aligned])
    new_mean = m * mean + (1 - m) * confidence.mean()
    unbiased = sum((c - confidence.mean()) ** 2 for c in confidence) / (len(q) - 1)
    return new_p, new_mean, m * variance + (1 - m) * unbiased, confidence


def test_softmatch_over_three_steps():
    model = SoftMatch(logits_classifier(), momentum=0.5)
    q = softmax(WEAK)
    p, mean, variance = np.full(3, 1 / 3), 1 / 3, 1.0
    for _ in range(3):
        step = step_of(model)
        p, mean, variance, confidence = soft_states(q, 0.5, p, mean, variance)
        weights = [
            1.0 if c >= mean else np.exp(-((c - mean) ** 2) / (2 * variance / 4))
            for c in confidence
        ]
        np.testing.assert_allclose(step.pseudo.mask, weights, rtol=1e-5)
        # Of q as it is, not aligned.
        np.testing.assert_array_equal(step.pseudo.labels, q.argmax(1))
        unlabeled = (weights * cross_entropy(STRONG, q.argmax(1))).mean()
        np.testing.assert_allclose(step.losses["unlabeled"], unlabeled, rtol=1e-5)
        for variable, value in step.updates:
            variable.assign(value)
    np.testing.assert_allclose(model.thresholds(), mean, rtol=1e-5)


def test_a_weight_of_softmatch_half_a_deviation_below_the_mean():
    # n = 2: exp(-(s/2)^2 / (2 s^2 / 4)) = exp(-1/2).
    model = SoftMatch(logits_classifier(2))
    deviation = 0.1
    scores = np.array([[0.7, 0.3], [0.65, 0.35]], np.float32)
    states = ([0.5, 0.5], 0.7, deviation**2)
    _, weights = model.select(tf.constant(scores), states)
    np.testing.assert_allclose(weights, [1.0, np.exp(-0.5)], rtol=1e-4)


def test_one_face_has_no_variance():
    model = SoftMatch(logits_classifier())
    batch = {view: as_images(WEAK[:1]) for view in ("image", "weak", "strong")}
    step = model.scheme_step(batch, tf.constant([1]))
    variance = step.updates[2][1]
    np.testing.assert_allclose(variance, 0.999, rtol=1e-6)
    assert np.isfinite(step.losses["unlabeled"])


def test_softmatch_aligned_to_what_is_predicted_reads_confidence_as_it_is():
    share = softmax(WEAK).mean(0)
    model = SoftMatch(logits_classifier(), class_distribution=share)
    q = tf.constant(softmax(WEAK), tf.float32)
    np.testing.assert_allclose(
        distribution_alignment(q, model.wanted, share), q, rtol=1e-5
    )


def test_numbers_out_of_range():
    classifier = logits_classifier()
    with pytest.raises(ValueError, match=r"must be in \[0, 1\). Received: 1"):
        FreeMatch(classifier, momentum=1)
    with pytest.raises(ValueError, match="3 shares that sum to 1. Received: .*0.5"):
        SoftMatch(classifier, class_distribution=(0.5, 0.5))
    with pytest.raises(ValueError, match="sharpness=0"):
        SoftMatch(classifier, sharpness=0)
