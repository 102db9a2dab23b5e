"""The locality-preserving loss of DLP-CNN."""

import tensorflow as tf

from kerasfer.losses.cross_entropy import cross_entropy
from kerasfer.types import Tensor


def locality_preserving_loss(
    labels: Tensor, embeddings: Tensor, neighbors: int = 20
) -> Tensor:
    """Half the squared distance to the mean of the nearest faces of the same class.

        L_i = 1/2 || f_i - 1/|N_i| sum_{j in N_i} f_j ||^2

    where N_i are the k nearest other faces of the class in the batch, or all of them
    where there are fewer, and L_i = 0 where there is none. The mean is a constant for
    the gradient, as a centre of the center loss is.

    Source: Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving
    Learning for Expression Recognition in the Wild", CVPR 2017. The equations are those
    of two reimplementations; one divides by k also where fewer faces are there, which
    pulls rare classes to 0. On several devices neighbours are of one device's faces.

    Args:
        labels: int (batch,).
        embeddings: float (batch, width).
        neighbors: k, at least 1.

    Returns:
        float (batch,).

    Raises:
        ValueError: soft labels, or no neighbour asked for.

    >>> locality_preserving_loss([0, 0, 0], [[0.0], [1.0], [10.0]], neighbors=1)
    ... # [0.5, 0.5, 40.5]
    """
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_floating:
        raise ValueError(
            "The locality-preserving loss needs a class for each face. Received rows "
            "of probabilities: it does not go with MixUp."
        )
    if neighbors < 1:
        raise ValueError(f"`neighbors` must be at least 1. Received: {neighbors}.")
    embeddings = tf.cast(embeddings, tf.float32)
    count = tf.shape(embeddings)[0]
    squares = tf.reduce_sum(tf.square(embeddings), -1)
    distances = (
        squares[:, None]
        + squares
        - 2 * tf.matmul(embeddings, embeddings, transpose_b=True)
    )
    others = tf.equal(labels[:, None], labels) & ~tf.eye(count, dtype=tf.bool)
    distances = tf.where(others, tf.stop_gradient(distances), distances.dtype.max)
    _, nearest = tf.math.top_k(-distances, tf.minimum(neighbors, count))
    there = tf.cast(tf.gather(others, nearest, batch_dims=1), tf.float32)
    total = tf.reduce_sum(tf.gather(embeddings, nearest) * there[..., None], 1)
    number = tf.reduce_sum(there, 1)
    center = tf.stop_gradient(total / tf.maximum(number, 1.0)[:, None])
    squared = tf.reduce_sum(tf.square(embeddings - center), -1)
    return 0.5 * squared * tf.cast(number > 0, tf.float32)


def locality_preserving(
    labels: Tensor,
    outputs: dict[str, Tensor],
    weight: float = 0.003,
    neighbors: int = 20,
) -> Tensor:
    """DLP-CNN's supervised loss: cross-entropy and `weight` times
    `locality_preserving_loss` of `outputs["embedding"]`.

    The defaults are those of the reimplementations, for embeddings of 2,000 units
    without normalisation; with `unit_embedding=True` distances are at most 2, and the
    weight has to be larger.

    Args:
        labels: int (batch,).
        outputs: the classifier's output.
        weight: lambda.
        neighbors: k.

    Returns:
        float (batch,).

    >>> outputs = {"logits": tf.zeros((2, 2)), "embedding": tf.constant([[0.0], [2.0]])}
    >>> locality_preserving(tf.constant([0, 0]), outputs, weight=1.0)  # log 2 + 2
    """
    if "embedding" not in outputs:
        raise ValueError(
            "The locality-preserving loss reads the embedding, and this scheme gives "
            f"its loss only {', '.join(outputs)}: it mixes logits (RUL). Take another."
        )
    locality = locality_preserving_loss(labels, outputs["embedding"], neighbors)
    return cross_entropy(labels, outputs) + weight * locality
