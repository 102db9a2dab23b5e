"""Losses that pull an embedding to its class center, or push it from the others."""

import tensorflow as tf

_EPSILON = 1e-8  # on squared norms: a length below 1e-4 counts as 1e-4


def unit_distances(embeddings, centroids):
    """Distances D_k = || e/||e|| - c_k/||c_k|| || to class centroids, each in [0, 2].

    The gradient is finite everywhere, also at an embedding of zeros (which is at
    distance 1 of every centroid) and at a centroid (where it is 0).

    Args:
        embeddings: float (batch, width).
        centroids: float (num_classes, width).

    Returns:
        float (batch, num_classes).

    >>> unit_distances([[3.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])  # [[0, sqrt(2)]]
    """
    differences = unit(embeddings)[:, None] - unit(centroids)[None]
    squared = tf.reduce_sum(tf.square(differences), -1)
    return tf.sqrt(squared + 1e-12)


def large_margin_loss(targets, embeddings, centroids):
    """Distance to the own centroid less the mean distance to the others.

        L = D_y - 1/(K-1) sum_{k != y} D_k                  (hard label y)
        L = 1/(K-1) sum_k (K q_k - 1) D_k                   (soft label q)

    D_k are the `unit_distances`. The two forms agree for a one-hot q. Between -2 and 2;
    *negative* when training succeeds: -sqrt(2K/(K-1)) at a perfect simplex. Centroids
    are constants for the gradient.

    Source: Racoviteanu et al., BMVC 2019, Eq. 3, averaged by the caller rather than
    summed; the soft form is the only one linear in the label, as MixUp needs.

    Args:
        targets: int (batch,) class indices; or float (batch, num_classes), rows sum to
            1.
        embeddings: float (batch, width).
        centroids: float (num_classes, width).

    Returns:
        float (batch,).

    >>> large_margin_loss([0], [[1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]])  # [-2]
    """
    centroids = tf.stop_gradient(tf.cast(centroids, tf.float32))
    num_classes = centroids.shape[0]
    distances = unit_distances(embeddings, centroids)
    targets = tf.convert_to_tensor(targets)
    if not targets.dtype.is_floating:
        targets = tf.one_hot(targets, num_classes)
    targets = tf.cast(targets, tf.float32)
    coefficients = (num_classes * targets - 1.0) / (num_classes - 1.0)
    return tf.reduce_sum(coefficients * distances, -1)


def center_loss(labels, embeddings, centers):
    """Squared distance of each embedding to the center of its class.

        L = || f - h_y ||^2

    Without the 1/2 of Wen et al. (ECCV 2016), as ReMoP's code. Gradients flow into the
    embeddings and the centers.

    Args:
        labels: int (batch,), class indices.
        embeddings: float (batch, width).
        centers: float (num_classes, width).

    Returns:
        float32 (batch,), >= 0.

    >>> center_loss([1], [[3.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]])  # [5]
    """
    own = tf.gather(tf.cast(centers, tf.float32), labels)
    return tf.reduce_sum(tf.square(tf.cast(embeddings, tf.float32) - own), -1)


def unit(vectors):
    """Rows scaled to length 1, float32; a length below 1e-4 counts as 1e-4.

    >>> unit([[3.0, 4.0], [0.0, 0.0]])  # [[0.6, 0.8], [0, 0]]
    """
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), -1, epsilon=_EPSILON)
