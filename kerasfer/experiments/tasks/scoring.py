"""Scores of a table that no training needs: macro F1 and the calibration error."""

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


def calibration_error(labels, probs, bins=15):
    """Expected calibration error, in [0, 1]: |accuracy - confidence| of equally wide
    bins of confidence, weighted by the faces in each (Guo et al., 2017, Eq. 3).

    Args:
        labels: int (n,).
        probs: float (n, classes), rows that sum to 1.
        bins: how many, over [0, 1].
    """
    confidence = probs.max(-1).astype(float)
    right = (probs.argmax(-1) == labels).astype(float)
    # (lower, upper], as in the paper.
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(which, confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
