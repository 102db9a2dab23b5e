"""From a classifier's output on unlabelled faces to the labels it is trained on."""

from typing import Any

import tensorflow as tf

from kerasfer.losses.margin import unit_distances
from kerasfer.types import Tensor

MEMBERSHIPS = ("softmax", "inverse")


def hard_pseudo_labels(probs: Tensor, threshold: Any) -> tuple[Tensor, Tensor]:
    """Hard pseudo-labels and the mask of the confident ones.

        mask_i = 1  if  max_c probs_ic >= threshold[argmax_c probs_ic]  else 0

    FixMatch uses one threshold, Ada-CM one per class. Both outputs are constants for
    the gradient. Reference: Sohn et al., "FixMatch", NeurIPS 2020, Eq. 4.

    Args:
        probs: float (batch, num_classes), rows sum to 1.
        threshold: a number, or one per class, (num_classes,). Inclusive; above 1
            nothing passes.

    Returns:
        pseudo-labels, int32 (batch,), and mask, float32 (batch,) in {0, 1}.

    Raises:
        ValueError: `threshold` is neither a scalar nor of shape (num_classes,).

    >>> hard_pseudo_labels([[0.9, 0.1], [0.6, 0.4]], 0.8)  # labels [0, 0], mask [1, 0]
    """
    probs = tf.stop_gradient(tf.convert_to_tensor(probs))
    threshold = tf.cast(tf.convert_to_tensor(threshold), probs.dtype)
    if threshold.shape.rank and threshold.shape != probs.shape[-1:]:
        raise ValueError(
            "`threshold` must be a scalar or have one entry per class. Expected shape "
            f"{tuple(probs.shape[-1:])}. Received: threshold.shape={threshold.shape}."
        )
    labels = tf.argmax(probs, -1, output_type=tf.int32)
    if threshold.shape.rank:
        threshold = tf.gather(threshold, labels)
    return labels, tf.cast(tf.reduce_max(probs, -1) >= threshold, tf.float32)


def most_probable(probs: Tensor) -> tuple[Tensor, Tensor]:
    """The most probable class, and a mask of ones: every face is learned from.

    Args:
        probs: float (batch, num_classes).

    Returns:
        int32 (batch,) and float32 (batch,).

    >>> most_probable([[0.4, 0.6]])  # [1] and [1.0]
    """
    return hard_pseudo_labels(probs, 0.0)


def distribution_alignment(probs: Tensor, wanted: Tensor, predicted: Tensor) -> Tensor:
    """Predictions scaled so that their mean becomes the wanted distribution.

        p_k (wanted_k + 1e-6) / (predicted_k + 1e-6), divided by its sum

    Reference: Berthelot et al., "ReMixMatch", ICLR 2020, section 3.1.

    Args:
        probs: float (batch, num_classes).
        wanted, predicted: float (num_classes,), distributions of classes.

    Returns:
        float (batch, num_classes), rows sum to 1.

    >>> distribution_alignment([[0.5, 0.5]], [0.5, 0.5], [0.8, 0.2])  # [[0.2, 0.8]]
    """
    probs = tf.convert_to_tensor(probs)
    wanted, predicted = tf.cast(wanted, probs.dtype), tf.cast(predicted, probs.dtype)
    scaled = probs * (wanted + 1e-6) / (predicted + 1e-6)
    return scaled / tf.reduce_sum(scaled, -1, keepdims=True)


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """Raises probabilities to the power 1/T and divides by their sum.

    T = 1 is the identity, T towards 0 the one-hot argmax. Computed on logarithms, so
    that small probabilities do not underflow; a probability of 0 stays 0.
    Reference: Berthelot et al., "MixMatch", NeurIPS 2019, Eq. 7.

    Args:
        probs: float (batch, num_classes), rows sum to 1.
        temperature: float, > 0.

    Returns:
        float (batch, num_classes), rows sum to 1.

    Raises:
        ValueError: `temperature` is not positive.

    >>> sharpen([[0.8, 0.2]], 0.5)  # [[0.64, 0.04]] / 0.68
    """
    if temperature <= 0:
        raise ValueError(f"`temperature` must be > 0. Received: {temperature}.")
    return tf.nn.softmax(tf.math.log(tf.convert_to_tensor(probs)) / temperature)


def centroid_memberships(
    embeddings: Tensor,
    centroids: Tensor,
    known: Tensor,
    membership: str,
    temperature: float,
) -> Tensor:
    """Soft labels from the distances to class centroids.

        q_k = softmax_k(-D_k / tau)                        ("softmax")
        q_k = D_k^-2 / sum_j D_j^-2                        ("inverse", fuzzy c-means)

    with D_k the `unit_distances`, at least 1e-6. Plain softmax of -D (tau 1) peaks at
    0.43 for seven perfectly separated classes; tau 0.3 reaches 0.96. Constants for the
    gradient. Source: Florea et al., "Margin-Mix", ECCV 2020, whose supplement says
    "distances turned into membership values" and gives no formula: a reconstruction.

    Args:
        embeddings: float (batch, width).
        centroids: float (num_classes, width).
        known: float (num_classes,) in {0, 1}; 0 leaves a class out. If no class is
            known, memberships are uniform.
        membership: "softmax" or "inverse".
        temperature: tau > 0, for "softmax" only.

    Returns:
        float (batch, num_classes), rows sum to 1.

    Raises:
        ValueError: another `membership`.

    >>> centroid_memberships([[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0],
    ...                      "softmax", 0.3)  # [[0.991, 0.009]]
    """
    if membership not in MEMBERSHIPS:
        raise ValueError(
            f"`membership` must be one of {', '.join(MEMBERSHIPS)}. Received: "
            f"{membership!r}."
        )
    distances = tf.maximum(unit_distances(embeddings, centroids), 1e-6)
    if membership == "softmax":
        scores = -distances / temperature
    else:
        scores = -2.0 * tf.math.log(distances)
    known = tf.cast(known, tf.float32)
    known = tf.where(tf.reduce_max(known) > 0, known, tf.ones_like(known))
    # Unknown classes get no weight; the shift keeps the exponentials in range.
    scores = tf.where(known > 0, scores, scores.dtype.min)
    weights = tf.exp(scores - tf.reduce_max(scores, -1, keepdims=True)) * known
    total = tf.reduce_sum(weights, -1, keepdims=True)
    return tf.stop_gradient(weights / total)
