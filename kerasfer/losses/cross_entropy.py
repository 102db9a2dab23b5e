"""Losses on a classifier's output: cross-entropy and the squared error of MixMatch."""

import tensorflow as tf

from kerasfer.types import Tensor


def cross_entropy(labels: Tensor, outputs: dict[str, Tensor]) -> Tensor:
    """Cross-entropy -sum_k y_k log softmax(z)_k, for hard or soft labels.

    The frame's default `supervised_loss`: any function of the same form can replace it.

    Args:
        labels: int (batch,), class indices; or float (batch, num_classes), rows that
            sum to 1 (a row of zeros gives 0).
        outputs: the classifier's output; `outputs["logits"]`, float (batch,
            num_classes), is used.

    Returns:
        float (batch,).

    >>> cross_entropy(tf.constant([1]), {"logits": tf.zeros((1, 3))})  # [log 3]
    """
    logits = outputs["logits"]
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_floating:
        return tf.nn.softmax_cross_entropy_with_logits(labels, logits)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def probability_error(targets: Tensor, outputs: dict[str, Tensor]) -> Tensor:
    """Squared error of probabilities, averaged over classes (the Brier score over K).

        l = (1/K) sum_k (q_k - softmax(z)_k)^2,   between 0 and 2/K

    Source: Berthelot et al., "MixMatch", NeurIPS 2019, Eq. 4. The 1/K is part of it.

    Args:
        targets: float (batch, num_classes), rows sum to 1.
        outputs: the classifier's output; `outputs["logits"]` is used.

    Returns:
        float (batch,).

    >>> probability_error([[1.0, 0.0]], {"logits": tf.zeros((1, 2))})  # [0.25]
    """
    return tf.reduce_mean(tf.square(targets - tf.nn.softmax(outputs["logits"])), -1)
