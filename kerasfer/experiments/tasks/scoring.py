"""Scores of a table that no training needs."""

import numpy as np


def macro_f1(labels, probs):
    """Mean of the F1 scores of the classes that have a face, in [0, 1].

    Args:
        labels: int (n,).
        probs: float (n, classes); a face's prediction is the argmax.
    """
    from sklearn.metrics import f1_score

    present = np.unique(labels)
    predicted = probs.argmax(-1)
    scores = f1_score(labels, predicted, labels=present, average=None, zero_division=0)
    return float(np.mean(scores))
