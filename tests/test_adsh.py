"""Adsh against its algorithm, by loops."""

import numpy as np
import pytest
import tensorflow as tf
from support.imbalanced_batch import COUNTS
from support.toys import dense_classifier, random_faces, softmax

from kerasfer.data import evaluation_dataset
from kerasfer.plug_ins import Adsh
from kerasfer.plug_ins.adsh import adaptive_thresholds
from kerasfer.schemes import FixMatch

RNG = np.random.default_rng(0)


def adsh_by_loops(probs, thresholds, largest, tau):
    """The authors' algorithm, with sorted lists."""
    lists = {k: [] for k in range(probs.shape[1])}
    for p in probs:
        lists[int(p.argmax())].append(float(p.max()))
    for values in lists.values():
        values.sort(reverse=True)
    passing = [c for c in lists[largest] if c >= tau]
    if not passing:
        return list(thresholds)
    rho = len(passing) / len(lists[largest])
    adapted = list(thresholds)
    for k, values in lists.items():
        if k != largest and values:
            adapted[k] = min(tau, values[max(0, round(len(values) * rho - 1))])
    return adapted


@pytest.mark.parametrize("largest", [0, 1, 3])
def test_thresholds_of_adsh_are_the_algorithm(largest):
    probs = softmax(RNG.normal(0, 3, size=(200, 4)))
    start = np.array([0.95, 0.7, 0.8, 0.9])
    adapted = adaptive_thresholds(probs, start, largest, 0.95)
    np.testing.assert_allclose(adapted, adsh_by_loops(probs, start, largest, 0.95))
    assert (adapted <= 0.95).all() and adapted[largest] == start[largest]
    # Each class keeps about the share that the largest one keeps.
    predicted, confidence = probs.argmax(-1), probs.max(-1)
    rho = (confidence[predicted == largest] >= 0.95).mean()
    for k in set(range(4)) - {largest}:
        of_class = confidence[predicted == k]
        if adapted[k] < 0.95:
            kept = (of_class >= adapted[k]).mean()
            assert abs(kept - rho) <= 1.0 / len(of_class)


def test_a_tiny_class_gets_its_most_confident_face_not_its_least():
    """round(n rho - 1) below 0: a public port then reads index -1, the lowest."""
    head = [[0.96, 0.04]] + [[0.6, 0.4]] * 19  # rho = 1 / 20
    tail = [[0.1, 0.9], [0.45, 0.55]]  # 2 rho - 1 < 0
    adapted = adaptive_thresholds(
        np.array(head + tail), np.array([0.95, 0.95]), 0, 0.95
    )
    np.testing.assert_allclose(adapted, [0.95, 0.9])


def test_classes_without_predictions_and_a_head_that_is_never_sure():
    start = np.array([0.95, 0.8, 0.7])
    sure = np.array([[0.97, 0.02, 0.01], [0.3, 0.6, 0.1]])
    np.testing.assert_allclose(
        adaptive_thresholds(sure, start, 0, 0.95), [0.95, 0.6, 0.7]
    )
    unsure = np.array([[0.9, 0.05, 0.05], [0.3, 0.6, 0.1]])
    np.testing.assert_array_equal(adaptive_thresholds(unsure, start, 0, 0.95), start)


def test_pseudo_labels_of_adsh_are_rectified():
    plug_in = Adsh(COUNTS)
    # A public port starts at exp(-0.95) = 0.387.
    np.testing.assert_allclose(plug_in.thresholds, [0.95] * 3, rtol=1e-6)
    plug_in.thresholds.assign([0.95, 0.5, 0.3])
    probs = np.array([[0.6, 0.39, 0.01], [0.96, 0.04, 0.0], [0.5, 0.2, 0.3]])
    labels, mask = plug_in.select({}, None, tf.constant(probs, tf.float32))
    # p / tau: (.63, .78, .03), (1.01, .08, 0), (.53, .4, 1.0).
    np.testing.assert_array_equal(labels, [1, 0, 2])
    np.testing.assert_array_equal(mask, [0, 1, 1])


def test_the_largest_class_of_adsh_is_that_of_most_labels():
    """Not class 0: in RAF-DB's order that is surprise."""
    assert Adsh([3, 9, 2]).largest == 1


def test_adsh_measures_from_the_second_epoch_by_the_online_weights():
    faces = random_faces(30, side=4)
    plug_in = Adsh([10, 10, 10], threshold=0.4)
    model = FixMatch(dense_classifier(), plug_ins=(plug_in,))
    for weight in model.ema_classifier.weights:
        weight.assign(weight * 0.0)
    data = evaluation_dataset(faces, 7)
    plug_in.epoch_end(model, data, data)
    np.testing.assert_allclose(plug_in.thresholds, [0.4] * 3, rtol=1e-6)
    plug_in.epoch_end(model, data, data)
    probs = np.asarray(model.classifier(faces.images)["probs"])
    expected = adsh_by_loops(probs, [0.4] * 3, 0, 0.4)
    np.testing.assert_allclose(plug_in.thresholds, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="Adsh needs the unlabelled faces"):
        plug_in.epoch_end(model, data, None)
    with pytest.raises(ValueError, match="must be in .0, 1.. Received: 1.5"):
        Adsh([1, 2], threshold=1.5)
