"""Macro F1 against loops."""

import numpy as np
import pytest

from kerasfer.experiments.tasks.scoring import macro_f1


def _some(seed=0, n=400, classes=5):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(classes, 0.6), n)
    return rng.integers(0, classes - 1, n), probs  # no face of the last class


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
