"""WSC: the embedding is the minimum it says, and clusters outvote wrong labels."""

import numpy as np
import pytest

from kerasfer.data.weak_clusters import relabel, weakly_supervised_embedding


def faces(per_class=40, wrong=0.25, seed=0):
    """Two clouds of features, with some labels wrong."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], per_class)
    features = rng.normal(size=(2 * per_class, 6)) + 4.0 * truth[:, None]
    labels = np.where(rng.random(2 * per_class) < wrong, 1 - truth, truth)
    return features, labels, truth


def objective(points, features, labels, weight, neighbors):
    """By loops: the Laplacian's term, then the groups'."""
    n = len(features)
    distance = np.linalg.norm(features[:, None] - features, axis=-1)
    near = [set(np.argsort(d)[1 : neighbors + 1]) for d in distance]
    known = [distance[i, j] for i in range(n) for j in near[i]]
    scale = np.median(known)
    weights = np.zeros((n, n))
    for i in range(n):
        for j in near[i]:
            if i in near[j]:
                weights[i, j] = np.exp(-(distance[i, j] ** 2) / (2 * scale**2))
    degree = weights.sum(1)
    value = 0.0
    for i in range(n):
        value += np.sum(points[i] ** 2)
        for j in range(n):
            if weights[i, j]:
                value -= (
                    weights[i, j]
                    * points[i]
                    @ points[j]
                    / np.sqrt(degree[i] * degree[j])
                )
    groups = np.unique(labels)
    for group in groups:
        some = points[labels == group]
        spread = np.sum((some - some.mean(0)) ** 2)
        value += weight * n / (len(groups) * len(some)) * spread
    return value


def test_it_is_the_smallest_of_the_objective():
    features, labels, _ = faces()
    points = weakly_supervised_embedding(features, labels, 3, 0.5, 10)
    np.testing.assert_allclose(points.T @ points, np.eye(3), atol=1e-8)
    least = objective(points, features, labels, 0.5, 10)
    rng = np.random.default_rng(1)
    for size in (0.01, 0.1, 1.0):  # small turns and large ones
        for _ in range(5):
            other, _ = np.linalg.qr(points + size * rng.normal(size=points.shape))
            assert objective(other, features, labels, 0.5, 10) > least - 1e-9


def test_large_weights_make_faces_of_a_label_one_point():
    features, labels, _ = faces()
    points = weakly_supervised_embedding(features, labels, 2, 1e4, 10)
    for group in (0, 1):
        assert np.ptp(points[labels == group], 0).max() < 1e-3


def test_without_a_weight_labels_do_not_matter():
    features, labels, truth = faces()
    # Two clouds that no edge joins: the two smallest eigenvalues are 0, and their
    # space is the same whatever the labels.
    spaces = [
        weakly_supervised_embedding(features, y, 2, 0.0, 5) for y in (labels, truth)
    ]
    first, second = (points @ points.T for points in spaces)
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_the_majority_of_a_cluster_corrects_labels():
    features, labels, truth = faces()
    points = weakly_supervised_embedding(features, labels, 2, 0.1, 10)
    again = relabel(points, labels, clusters=4)
    assert (labels == truth).mean() < 0.85
    assert (again == truth).mean() > 0.95


def test_points_that_coincide_make_fewer_clusters():
    assert relabel(np.zeros((4, 1)), [0, 1, 1, 1], clusters=3).tolist() == [1] * 4


def test_what_it_refuses():
    features, labels, _ = faces(5)
    with pytest.raises(ValueError, match="a label of each"):
        weakly_supervised_embedding(features, labels[1:])
    with pytest.raises(ValueError, match="0 < width < 9 for 10 faces"):
        weakly_supervised_embedding(features, labels, 10)
    with pytest.raises(ValueError, match="weight >= 0"):
        weakly_supervised_embedding(features, labels, 2, -1.0)
