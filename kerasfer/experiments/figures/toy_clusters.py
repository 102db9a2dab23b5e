"""Two clusters in the plane, self-labelled in two ways (Margin-Mix supplement, 2)."""

import dataclasses

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.special import softmax
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

_ROUNDS, _FRESH = 20, 4000
SITUATIONS = {"separated": 6.0, "overlapping": 2.0}
"""Distance of the clusters' centers, in their standard deviations."""


@dataclasses.dataclass(frozen=True)
class Points:
    """Labelled points, unlabelled ones with their true class, fresh ones to test on."""

    labeled: np.ndarray
    labels: np.ndarray
    unlabeled: np.ndarray
    truth: np.ndarray
    fresh: np.ndarray
    fresh_truth: np.ndarray


def draw_points(distance, seed, num_labeled=3, num_unlabeled=200):
    """Two round clusters; the numbers are of each class."""
    rng = np.random.default_rng(seed)

    def draw(count):
        classes = np.repeat([0, 1], count)
        centers = np.array([[-distance / 2, 0.0], [distance / 2, 0.0]])
        return centers[classes] + rng.normal(size=(2 * count, 2)), classes

    return Points(*draw(num_labeled), *draw(num_unlabeled), *draw(_FRESH // 2))


def by_pseudo_labels(points):
    """Hard labels of a classifier that learns from them, again and again.

    Returns:
        the probability of class 1 of each unlabelled point as its self-label has it,
        0 or 1, and the classifier.
    """
    classifier = LogisticRegression().fit(points.labeled, points.labels)
    everything = np.concatenate([points.labeled, points.unlabeled])
    for _ in range(_ROUNDS):
        guesses = classifier.predict(points.unlabeled)
        classifier = LogisticRegression().fit(
            everything, np.concatenate([points.labels, guesses])
        )
    return guesses.astype(float), classifier


def by_memberships(points, temperature=1.0):
    """Soft labels from the distances to class centroids, which then move.

    q = softmax(-D / temperature), with plain distances in the plane. Centroids start at
    the labelled points' means and become those of all points weighted by q, as for
    `kerasfer.schemes.MarginMix(centroid_images="all")`; the classifier learns q.
    """
    one_hot = np.eye(2)[points.labels]
    everything = np.concatenate([points.labeled, points.unlabeled])
    centroids = one_hot.T @ points.labeled / one_hot.sum(0)[:, None]
    for _ in range(_ROUNDS):
        q = softmax(-cdist(points.unlabeled, centroids) / temperature, axis=1)
        weights = np.concatenate([one_hot, q])
        centroids = weights.T @ everything / weights.sum(0)[:, None]
    # A soft label is each class once, weighted.
    classifier = LogisticRegression().fit(
        np.concatenate([everything, everything]),
        np.repeat([0, 1], len(everything)),
        weights.T.reshape(-1),
    )
    return q[:, 1], classifier


SELF_LABELS = {"pseudo-labels": by_pseudo_labels, "memberships": by_memberships}


def draws(num_seeds):
    """Situation -> accuracies in percent, a row a draw."""
    return {
        situation: pd.DataFrame([_one(distance, seed) for seed in range(num_seeds)])
        for situation, distance in SITUATIONS.items()
    }


def typical(runs):
    """Index of the most typical draw: the larger of its two accuracies' distances to
    their medians is smallest. The first on ties."""
    ours = runs[[f"{name}, self-labels" for name in SELF_LABELS]]
    return int((ours - ours.median()).abs().max(axis=1).argmin())


def measure(draws):
    """Mean and deviation over draws, and the standard error of the difference.

    Returns:
        a data frame: for each situation the labelled points alone, both ways, the best
        that is possible, and the paired difference of the two ways.
    """
    rows = []
    for situation, runs in draws.items():
        distance = SITUATIONS[situation]
        difference = runs["memberships, classifier"] - runs["pseudo-labels, classifier"]
        rows.append(
            {
                "clusters": situation,
                **{name: _text(values) for name, values in runs.items()},
                "possible": f"{100 * norm.cdf(distance / 2):.1f}",
                "difference of classifiers": f"{difference.mean():+.2f} "
                f"(se {difference.sem():.2f}; better in {(difference > 0).mean():.0%}, "
                f"worse in {(difference < 0).mean():.0%})",
            }
        )
    return pd.DataFrame(rows)


def _one(distance, seed):
    points = draw_points(distance, seed)
    alone = LogisticRegression().fit(points.labeled, points.labels)
    scores = {"labelled alone": alone.score(points.fresh, points.fresh_truth)}
    for name, way in SELF_LABELS.items():
        q, classifier = way(points)
        scores[f"{name}, self-labels"] = np.mean((q > 0.5) == points.truth)
        scores[f"{name}, classifier"] = classifier.score(
            points.fresh, points.fresh_truth
        )
    return {name: 100 * score for name, score in scores.items()}


def _text(values):
    return f"{values.mean():.1f} ± {values.std():.1f}"


def draw(axes, situation, seed):
    """Three panels of one draw: true classes, and both kinds of self-labels."""
    points = draw_points(SITUATIONS[situation], seed)
    panels = {"truth": (points.truth.astype(float), None)}
    panels |= {name: way(points) for name, way in SELF_LABELS.items()}
    for ax, (name, (q, classifier)) in zip(axes, panels.items(), strict=True):
        ax.scatter(*points.unlabeled.T, c=q, cmap="coolwarm", vmin=0, vmax=1, s=8)
        ax.scatter(
            *points.labeled.T,
            c=points.labels,
            cmap="coolwarm",
            marker="D",
            edgecolors="black",
        )
        title = f"{situation}: {name}"
        if classifier is not None:
            _draw_border(ax, classifier)
            title += f", {np.mean((q > 0.5) == points.truth):.0%} right"
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])


def _draw_border(ax, classifier):
    (a, b), c = classifier.coef_[0], classifier.intercept_[0]
    limits = ax.get_xlim(), ax.get_ylim()
    middle = -c * np.array([a, b]) / (a * a + b * b)
    ax.axline(middle, middle + [-b, a], color="black", linewidth=1)
    ax.set(xlim=limits[0], ylim=limits[1])
