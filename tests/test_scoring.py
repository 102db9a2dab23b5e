"""Macro F1 and the expected calibration error, against loops."""

import numpy as np
import pytest

from kerasfer.experiments.tasks.scoring import calibration_error, macro_f1


def _some(seed=0, n=400, classes=5):
    dice = np.random.default_rng(seed)
    probs = dice.dirichlet(np.full(classes, 0.6), n)
    return dice.integers(0, classes - 1, n), probs  # no face of the last class


def test_macro_f1_is_the_mean_over_classes_with_faces():
    labels, probs = _some()
    predicted = probs.argmax(-1)
    scores = []
    for k in range(4):
        hits = sum((labels == k) & (predicted == k))
        wrong = sum((labels == k) != (predicted == k))
        scores.append(2 * hits / (2 * hits + wrong))
    assert macro_f1(labels, probs) == pytest.approx(np.mean(scores), abs=1e-12)


def test_macro_f1_of_a_class_never_predicted_is_0():
    probs = np.array([[0.9, 0.1], [0.8, 0.2]])
    # Class 0: precision 1/2, recall 1, F1 2/3. Class 1: 0.
    assert macro_f1(np.array([0, 1]), probs) == pytest.approx(1 / 3)


def test_calibration_error_is_the_weighted_gap_of_bins():
    labels, probs = _some(1)
    total = 0.0
    for b in range(15):
        low, high = b / 15, (b + 1) / 15
        confidence = probs.max(-1)
        chosen = [i for i in range(len(labels)) if low < confidence[i] <= high]
        if chosen:
            right = np.mean([probs[i].argmax() == labels[i] for i in chosen])
            gap = abs(right - np.mean(confidence[chosen]))
            total += len(chosen) / len(labels) * gap
    assert calibration_error(labels, probs) == pytest.approx(total, abs=1e-9)


def test_calibration_error_of_a_sure_and_right_classifier_is_0():
    assert calibration_error(np.array([0, 1]), np.eye(2)) == 0.0
    assert calibration_error(np.array([1, 0]), np.eye(2)) == 1.0
