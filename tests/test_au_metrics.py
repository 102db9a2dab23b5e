"""Metrics and losses of action units."""

import warnings

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from kerasfer.action_units import EMOTIONET, REDUCED_SET
from kerasfer.losses import action_unit_cross_entropy, action_unit_error
from kerasfer.metrics import PerAUF1, fitted_thresholds, rarely_present


def annotations(num_faces=60, num_aus=12, seed=0):
    """Intensities, a third of them not annotated, and scores."""
    rng = np.random.default_rng(seed)
    truth = rng.random((num_faces, num_aus)).astype(np.float32)
    truth[rng.random(truth.shape) < 1 / 3] = -1
    return truth, rng.random((num_faces, num_aus)).astype(np.float32)


def results(metric, truth, scores, size=7):
    for start in range(0, len(truth), size):
        metric.update_state(truth[start : start + size], scores[start : start + size])
    return {name: float(value) for name, value in metric.result().items()}


def test_agrees_with_scikit_learn_on_what_is_annotated():
    truth, scores = annotations()
    thresholds = np.linspace(0.2, 0.8, 12)
    metric = PerAUF1(12, EMOTIONET, thresholds)
    ours = results(metric, truth, scores)
    expected = []
    for m, name in enumerate(EMOTIONET):
        known = truth[:, m] >= 0
        predicted = scores[known, m] >= np.float32(thresholds[m])
        expected.append(sklearn.metrics.f1_score(truth[known, m] >= 0.5, predicted))
        np.testing.assert_allclose(ours[f"f1_{name}"], expected[-1], rtol=1e-6)
    np.testing.assert_allclose(ours["f1"], np.mean(expected), rtol=1e-6)
    small = [expected[EMOTIONET.index(name)] for name in REDUCED_SET]
    np.testing.assert_allclose(ours["f1_small"], np.mean(small), rtol=1e-6)


def test_edges_of_f1():
    # AU1: there, never predicted. AU2: never there, predicted. AU4: neither. AU5: not
    # annotated at all.
    metric = PerAUF1(4, ("AU1", "AU2", "AU4", "AU5"))
    metric.update_state([[0.5, 0.4, 0.0, -1.0]], [[0.49, 0.5, 0.1, 0.9]])
    result = {name: float(value) for name, value in metric.result().items()}
    assert result["f1_AU1"] == result["f1_AU2"] == 0.0
    assert np.isnan(result["f1_AU4"]) and np.isnan(result["f1_AU5"])
    assert result["f1"] == 0.0 and "f1_small" not in result
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error"
        )  # 0/0 of scikit-learn is asked for, not warned of
        nan = sklearn.metrics.f1_score([0], [0], zero_division=np.nan)
    assert np.isnan(nan)
    metric.reset_state()
    metric.update_state([[1.0, 0.0, 0.0, -1.0]], [[0.5, 0.0, 0.0, 0.0]])
    assert float(metric.result()["f1"]) == 1.0  # of AU1 alone


def test_another_code_for_not_annotated():
    metric = PerAUF1(1, mask_value=999)
    metric.update_state([[999.0], [1.0]], [[0.9], [0.9]])
    assert float(metric.result()["f1_AU_0"]) == 1.0


def test_weights_count_faces():
    metric = PerAUF1(1)
    metric.update_state([[1.0], [1.0]], [[0.9], [0.1]], sample_weight=[3.0, 1.0])
    # 3 hits, 1 miss: 6 / (6 + 1).
    np.testing.assert_allclose(float(metric.result()["f1"]), 6 / 7, rtol=1e-6)


def test_round_trip_of_the_configuration():
    metric = PerAUF1(2, ("AU1", "AU12"), [0.3, 0.7], mask_value=9.0)
    copy = PerAUF1.from_config(metric.get_config())
    assert copy.get_config() == metric.get_config()
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    truth, scores = annotations(num_aus=2)
    assert results(again, truth, scores) == results(metric, truth, scores)


@pytest.mark.parametrize(
    "options", [{"names": ("AU1",)}, {"threshold": [0.5] * 3}], ids=str
)
def test_what_f1_refuses(options):
    with pytest.raises(ValueError, match="Expected 2 names, and one threshold or 2"):
        PerAUF1(2, **options)


def test_fitted_thresholds_are_the_best_of_all():
    truth, scores = annotations(num_faces=40, num_aus=3)
    fitted = fitted_thresholds(truth, scores)
    best = results(PerAUF1(3, threshold=fitted), truth, scores)
    for threshold in np.linspace(0, 1, 101):
        other = results(PerAUF1(3, threshold=threshold), truth, scores)
        for m in range(3):
            assert best[f"f1_AU_{m}"] >= other[f"f1_AU_{m}"] - 1e-6


def test_thresholds_by_hand_and_where_nothing_can_be_fitted():
    truth = [[1.0, 0.0, 1.0, -1.0], [0.0, 0.0, 1.0, -1.0], [1.0, 0.0, -1.0, 1.0]]
    scores = [[0.9, 0.9, 0.2, 0.1], [0.2, 0.1, 0.3, 0.1], [0.4, 0.5, 0.9, 0.1]]
    # Above 0.2 and up to 0.4 unit 0 is perfect; the others are never or always there.
    fitted = fitted_thresholds(truth, scores, default=0.6)
    np.testing.assert_allclose(fitted, [0.3, 0.6, 0.6, 0.6], rtol=1e-6)


def test_units_that_are_too_rare_to_fit_a_threshold_on():
    truth = np.full((40, 5), 0.0)
    truth[:9, 0] = 1.0  # one too few show it
    truth[:10, 1] = 0.5  # as many as are enough
    truth[:31, 2] = 1.0  # 9 lack it
    truth[:35, 3] = -1.0  # 5 are annotated
    truth[:20, 4] = 1.0
    assert rarely_present(truth) == {0: 9, 2: 9, 3: 0}
    assert rarely_present(truth, fewest=9) == {3: 0}
    assert rarely_present(truth[:0]) == dict.fromkeys(range(5), 0)


def test_losses_by_hand():
    targets = [[1.0, 0.0, -1.0], [-1.0, -1.0, -1.0], [0.25, -1.0, -1.0]]
    probs = tf.constant([[0.5, 0.1, 0.9], [0.3, 0.3, 0.3], [0.75, 0.5, 0.5]])
    errors = action_unit_error(targets, {"probs": probs})
    np.testing.assert_allclose(errors, [(0.25 + 0.01) / 2, 0.0, 0.25], rtol=1e-6)
    logits = tf.math.log(probs / (1 - probs))
    entropies = action_unit_cross_entropy(targets, {"logits": logits})
    expected = [
        -(np.log(0.5) + np.log(0.9)) / 2,
        0.0,
        -(0.25 * np.log(0.75) + 0.75 * np.log(0.25)),
    ]
    np.testing.assert_allclose(entropies, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "output"),
    [(action_unit_error, "probs"), (action_unit_cross_entropy, "logits")],
)
def test_what_is_not_annotated_has_no_gradient(loss, output):
    values = tf.Variable([[0.4, 0.6], [0.2, 0.3]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss([[1.0, -1.0], [-1.0, -1.0]], {output: values}))
    gradient = tape.gradient(total, values).numpy()
    assert gradient[0, 0] < 0  # up, towards the annotation
    np.testing.assert_array_equal(gradient[[0, 1, 1], [1, 0, 1]], 0.0)
