"""Losses that pull an embedding to its class center, or push it from the others."""

import tensorflow as tf

from kerasfer.types import Tensor

_EPSILON = 1e-8  # on squared norms: a length below 1e-4 counts as 1e-4


def unit_distances(embeddings: Tensor, centroids: Tensor) -> Tensor:
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


def large_margin_loss(
    targets: Tensor,
    embeddings: Tensor,
    centroids: Tensor,
    known: Tensor | None = None,
    squared: bool = False,
) -> Tensor:
    """Distance to the own centroid less the mean distance to the others.

        L = D_y - 1/(K-1) sum_{k != y} D_k                  (hard label y)
        L = 1/(K-1) sum_k (K q_k - 1) D_k                   (soft label q)

    D_k are the `unit_distances`. The two forms agree for a one-hot q. Between -2 and 2;
    *negative* when training succeeds: -sqrt(2K/(K-1)) at a perfect simplex. Centroids
    are constants for the gradient.

    Source: Racoviteanu et al., BMVC 2019, Eq. 3, averaged by the caller rather than
    summed; the soft form is the only one linear in the label, as MixUp needs. The
    gradient printed as Eq. 5 is not that of Eq. 3: its 2 (e - c) belongs to squared
    distances, which `squared=True` gives, and its d e/d f is only the diagonal of the
    Jacobian (I - e e^T)/||f||. Ours is the derivative of the loss, either way.

    Args:
        targets: int (batch,) class indices; or float (batch, num_classes), rows sum to
            1.
        embeddings: float (batch, width).
        centroids: float (num_classes, width).
        known: float (num_classes,) in {0, 1}; a class at 0 has no centroid yet: it is
            not among the others, K counts the rest, and a face of it has loss 0. None
            is all ones. With fewer than two known classes the loss is 0.
        squared: D_k^2 in place of D_k; the loss is then between -4 and 4.

    Returns:
        float (batch,).

    >>> large_margin_loss([0], [[1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]])  # [-2]
    """
    centroids = tf.stop_gradient(tf.cast(centroids, tf.float32))
    num_classes = centroids.shape[0]
    known = tf.ones(num_classes) if known is None else tf.cast(known, tf.float32)
    distances = unit_distances(embeddings, centroids)
    if squared:
        distances = tf.square(distances)
    targets = tf.convert_to_tensor(targets)
    if not targets.dtype.is_floating:
        targets = tf.one_hot(targets, num_classes)
    targets = tf.cast(targets, tf.float32) * known
    own = tf.reduce_sum(targets, -1, keepdims=True)  # below 1 if its class is unknown
    count = tf.reduce_sum(known)
    coefficients = tf.math.divide_no_nan(
        count * targets - own * known, tf.maximum(count - 1.0, 0.0)
    )
    return tf.reduce_sum(coefficients * distances, -1)


def center_loss(labels: Tensor, embeddings: Tensor, centers: Tensor) -> Tensor:
    """Squared distance of each embedding to the center of its class.

        L = || f - h_y ||^2

    Without the 1/2 of Wen et al. (ECCV 2016), as ReMoP's code; Racoviteanu et al. (BMVC
    2019, Eq. 1) print the distance itself. Gradients flow into the embeddings and the
    centers.

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


def island_loss(
    labels: Tensor, embeddings: Tensor, centers: Tensor, pair_weight: float = 10.0
) -> Tensor:
    """Half the center loss, and a penalty on centers that point the same way.

        L = 1/2 || f - c_y ||^2 + lambda_1 sum_j sum_{k != j} (cos(c_j, c_k) + 1)

    The penalty is the same for each face and moves only the centers: where those are
    state and not trained, `kerasfer.layers.ClassCentroids.stepped` does what its
    gradient would. Gradients flow into the embeddings and the centers.

    Source: Cai et al., "Island loss", FG 2018.

    Args:
        labels, embeddings, centers: as for `center_loss`.
        pair_weight: lambda_1. 10 is that of a public implementation.

    Returns:
        float32 (batch,), >= 0.

    >>> island_loss([0], [[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], 0.5)  # [0 + 0.5 * 2]
    """
    pairs = island_penalty(centers)
    return 0.5 * center_loss(labels, embeddings, centers) + pair_weight * pairs


def island_penalty(centers: Tensor) -> Tensor:
    """sum_j sum_{k != j} (cos(c_j, c_k) + 1): 0 for two opposite centers.

    At a perfect simplex K (K - 2); each pair counts twice, as printed. A center of zero
    counts as orthogonal to all.

    Args:
        centers: float (num_classes, width).

    Returns:
        float32 scalar, >= 0.

    >>> float(island_penalty([[1.0, 0.0], [-2.0, 0.0]]))
    0.0
    """
    directions = unit(centers)
    cosines = tf.matmul(directions, directions, transpose_b=True)
    others = 1.0 - tf.eye(directions.shape[0])
    return tf.reduce_sum((cosines + 1.0) * others)


def unit(vectors: Tensor) -> Tensor:
    """Rows scaled to length 1, float32; a length below 1e-4 counts as 1e-4.

    >>> unit([[3.0, 4.0], [0.0, 0.0]])  # [[0.6, 0.8], [0, 0]]
    """
    return tf.math.l2_normalize(tf.cast(vectors, tf.float32), -1, epsilon=_EPSILON)
