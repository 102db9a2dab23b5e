"""Weak labels made consistent with how faces look (WSC)."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.cluster import KMeans
from sklearn.neighbors import kneighbors_graph

from kerasfer.types import Array


def weakly_supervised_embedding(
    features: Array,
    labels: Sequence[int] | Array,
    width: int = 10,
    weight: float = 1.0,
    neighbors: int = 100,
) -> Array:
    """Points that lie near those of similar faces, and near those of the same label.

        min_W tr(W' L W) + lambda sum_g n / (G n_g) tr(W_g' C_g W_g),   W' W = I

    with L the normalised Laplacian of mutual nearest neighbours, weights
    exp(-d^2 / 2 s^2), s the median of their distances, G the number of labels, n_g the
    faces of one, and C_g = I - 1 1' / n_g.

    Source: Zhao, Chu and Martinez, "Learning Facial Action Units from Web Images with
    Scalable Weakly Supervised Clustering", CVPR 2018. *Deviations*: the minimum itself,
    by eigenvectors, where the authors descend towards it by proximal steps; and the
    symmetric Laplacian I - D^-1/2 A D^-1/2, since the gradient that their program takes
    is that of a symmetric one.

    Args:
        features: float (n, d), such as embeddings of a pretrained network.
        labels: int (n,), of the weak annotation.
        width: of the points, less than n - 1.
        weight: lambda, at least 0; 0 leaves labels out.
        neighbors: of each face in the graph.

    Returns:
        float64 (n, width), orthonormal columns.

    Raises:
        ValueError: lengths that differ, or a number out of range.

    >>> rng = np.random.default_rng(0)
    >>> points = weakly_supervised_embedding(rng.normal(size=(50, 8)), [0, 1] * 25, 2)
    >>> points.shape
    (50, 2)
    """
    features, labels = np.asarray(features, np.float64), np.asarray(labels)
    count = len(features)
    if features.ndim != 2 or labels.shape != (count,):
        raise ValueError(
            "Expected features (n, d) and a label of each. Received: "
            f"{features.shape} and {labels.shape}."
        )
    if not 0 < width < count - 1 or weight < 0 or neighbors < 1:
        raise ValueError(
            f"Expected 0 < width < {count - 1} for {count} faces, weight >= 0 and "
            f"neighbors >= 1. Received: width={width}, weight={weight}, "
            f"neighbors={neighbors}."
        )
    laplacian = _laplacian(features, min(neighbors, count - 1))
    members = [np.flatnonzero(labels == group) for group in np.unique(labels)]
    factors = [weight * count / (len(members) * len(rows)) for rows in members]

    def apply(points):
        result = laplacian @ points
        for rows, factor in zip(members, factors, strict=True):
            result[rows] += factor * (points[rows] - points[rows].mean(0))
        return result

    operator = LinearOperator((count, count), matvec=apply, matmat=apply, dtype=float)
    start = np.random.default_rng(0).normal(size=count)  # else runs would differ
    return eigsh(operator, width, which="SA", v0=start)[1]


def relabel(
    points: Array, labels: Sequence[int] | Array, clusters: int, seed: int = 0
) -> Array:
    """The majority's label of each face's cluster.

    *A reconstruction*: of the authors' clustering (rank order, their own modularity for
    the number of clusters) only a description is available; here it is k-means.

    Args:
        points: float (n, width), of `weakly_supervised_embedding`.
        labels: int (n,), of the weak annotation, at least 0.
        clusters: their number.
        seed: of k-means.

    Returns:
        int64 (n,); ties go to the smaller label.

    >>> relabel(np.array([[0.0], [0.1], [0.2], [9.0]]), [0, 0, 1, 1], clusters=2)
    array([0, 0, 0, 1])
    """
    labels = np.asarray(labels)
    found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(points)
    majority = np.zeros(clusters, np.int64)
    for k in np.unique(found):  # fewer, where points coincide
        majority[k] = np.bincount(labels[found == k]).argmax()
    return majority[found]


def _laplacian(features, neighbors):
    """I - D^-1/2 A D^-1/2 of mutual neighbours, sparse."""
    distances = kneighbors_graph(features, neighbors, mode="distance")
    scale = max(float(np.median(distances.data)), 1e-12)
    near = distances.copy()
    near.data = np.exp(-(distances.data**2) / (2 * scale**2))
    mutual = near.minimum(near.T)
    degree = np.asarray(mutual.sum(1)).ravel()
    inverse = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-300)), 0)
    scaled = sparse.diags(inverse) @ mutual @ sparse.diags(inverse)
    return sparse.identity(len(features)) - scaled
