"""Scores with intervals: how far chance in the choice of faces reaches.

An interval is that of 95 % of as many draws of the faces, with replacement (percentile
bootstrap); it says nothing on other seeds of the training, for which runs are compared.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from kerasfer.deploy.calibration import expected_calibration_error

_DRAWS = 1000
_INTERVAL = (2.5, 97.5)


def of_expressions(labels, probs, names, seed=0):
    """Scores of a classifier of exclusive classes.

    Args:
        labels: int (n,), n at least 1.
        probs: float (n, classes).
        names: of the classes.
        seed: of the draws.

    Returns:
        data frame of scores (score, value, low, high), data frame by class (class,
        faces, precision, recall, F1, and their low and high), confusion int (classes,
        classes), rows true. A class without faces has no recall, NaN; means over
        classes are over those with faces.
    """
    size = len(names)
    codes = labels * size + probs.argmax(-1)
    counts = np.bincount(codes, minlength=size * size)
    drawn = np.random.default_rng(seed).multinomial(
        len(labels), counts / len(labels), size=_DRAWS
    )
    confusions = np.concatenate([counts[None], drawn]).reshape(-1, size, size)
    precision, recall, f1 = _by_class(confusions)
    right = np.trace(confusions, axis1=1, axis2=2) / len(labels)
    present = confusions[0].sum(1) > 0
    means = {
        "accuracy": right,
        "mean class accuracy": _mean(recall[:, present]),
        "macro precision": _mean(precision[:, present]),
        "macro F1": _mean(f1[:, present]),
    }
    rows = [(name, *_with_interval(values)) for name, values in means.items()]
    error = expected_calibration_error(labels, probs, "expressions")
    rows.append(("expected calibration error", error, np.nan, np.nan))
    by_class = {"class": list(names), "faces": confusions[0].sum(1)}
    for title, values in (("precision", precision), ("recall", recall), ("F1", f1)):
        value, low, high = _with_interval(values)
        by_class |= {title: value, f"{title} low": low, f"{title} high": high}
    table = pd.DataFrame(rows, columns=["score", "value", "low", "high"])
    return table, pd.DataFrame(by_class), confusions[0]


def of_action_units(truth, probs, decisions, names, seed=0):
    """Scores of a classifier of action units.

    Args:
        truth: float (n, units) in [0, 1], -1 where not annotated; a unit is present
            from 0.5 on.
        probs: float (n, units).
        decisions: bool (n, units).
        names: of the units.
        seed: of the draws.

    Returns:
        data frame of scores (score, value, low, high), data frame by unit (unit, faces,
        present, F1 with low and high, AUC, and ICC(3,1) where some intensity is between
        0 and 1). What is not defined is NaN, and left out of means.
    """
    known, present = truth >= 0, truth >= 0.5
    rng, count, f1 = np.random.default_rng(seed), len(truth), []
    for draw in range(1 + _DRAWS):  # one at a time: all would be gigabytes
        rows = rng.integers(0, count, count) if draw else slice(None)
        f1.append(_f1(known[rows], present[rows], decisions[rows]))
    f1 = np.array(f1)
    rows = []
    for m, name in enumerate(names):
        value, low, high = _with_interval(f1[:, m])
        of_unit = known[:, m]
        shown, scores = present[of_unit, m], probs[of_unit, m]
        both = shown.any() and not shown.all()
        intensities = truth[of_unit, m]
        graded = ((intensities > 0) & (intensities < 1)).any()
        rows.append(
            {
                "unit": name,
                "faces": int(of_unit.sum()),
                "present": int(shown.sum()),
                "F1": value,
                "F1 low": low,
                "F1 high": high,
                "AUC": roc_auc_score(shown, scores) if both else np.nan,
                "ICC(3,1)": consistency(intensities, scores) if graded else np.nan,
            }
        )
    by_unit = pd.DataFrame(rows)
    scores = [("mean F1", *_with_interval(_mean(f1)))]
    for name in ("AUC", "ICC(3,1)"):
        if by_unit[name].notna().any():
            scores.append((f"mean {name}", by_unit[name].mean(), np.nan, np.nan))
    return pd.DataFrame(scores, columns=["score", "value", "low", "high"]), by_unit


def consistency(first, second):
    """ICC(3,1) of two raters of the same faces (Shrout and Fleiss, 1979): the share of
    the variance that is of the faces; 1 where they differ by a constant.

    >>> round(float(consistency([0.0, 0.5, 1.0], [0.1, 0.6, 1.1])), 6)
    1.0
    """
    ratings = np.stack([first, second], 1).astype(float)
    n, k = ratings.shape
    if n < 2:
        return np.nan
    of_faces = k * ratings.mean(1).var() * n / (n - 1)
    rest = ratings - ratings.mean(1, keepdims=True) - ratings.mean(0) + ratings.mean()
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    total = of_faces + (k - 1) * error
    return (of_faces - error) / total if total else np.nan


def _by_class(confusions):
    """Precision, recall and F1, each (draws, classes)."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    said, true = confusions.sum(1), confusions.sum(2)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(said > 0, hits / said, 0.0)
        return precision, hits / true, 2 * hits / (said + true)


def _f1(known, present, decided):
    hits = (known & present & decided).sum(0)
    total = (known & present).sum(0) + (known & decided).sum(0)
    return np.where(total > 0, 2 * hits / np.maximum(total, 1), np.nan)


def _mean(values):
    """Over the last axis, of what is defined."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(-1)
    return np.where(defined.any(-1), total / np.maximum(defined.sum(-1), 1), np.nan)


def _with_interval(values):
    """The first of the values, and the interval of the others; along the first axis."""
    low, high = np.full((2, *values.shape[1:]), np.nan)
    defined = ~np.isnan(values[1:]).all(0)
    if np.ndim(values) == 1:
        if defined:
            low, high = np.nanpercentile(values[1:], _INTERVAL)
        return float(values[0]), float(low), float(high)
    low[defined], high[defined] = np.nanpercentile(values[1:, defined], _INTERVAL, 0)
    return values[0], low, high
