"""Cross-entropy changed for rare classes, hard faces and wrong labels.

Each has the form of a `supervised_loss`, (labels, outputs) -> (batch,), with labels as
`cross_entropy` takes them: class indices, or rows of probabilities.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kerasfer.losses.cross_entropy import cross_entropy
from kerasfer.types import Array, Tensor

_TINY = 1e-7


def focal_loss(
    labels: Tensor, outputs: dict[str, Tensor], gamma: float = 2.0
) -> Tensor:
    """Cross-entropy in which faces that are learned already count less.

        l = -sum_k y_k (1 - p_k)^gamma log p_k,   p = softmax(z)

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, Eq. 4, with
    classes that exclude each other; gamma 2 is the paper's.

    Args:
        labels: int (batch,), or float (batch, num_classes).
        outputs: the classifier's output; `outputs["logits"]` is used.
        gamma: at least 0; 0 is cross-entropy.

    Returns:
        float (batch,).

    >>> focal_loss(tf.constant([0]), {"logits": tf.zeros((1, 2))})  # [0.25 log 2]
    """
    log_probs = tf.nn.log_softmax(outputs["logits"])
    # Away from 0, where the power's gradient is infinite for gamma < 1.
    focus = tf.pow(tf.maximum(1.0 - tf.exp(log_probs), _TINY), gamma)
    return -tf.reduce_sum(as_rows(labels, outputs) * focus * log_probs, -1)


def generalized_cross_entropy(
    labels: Tensor, outputs: dict[str, Tensor], q: float = 0.7
) -> Tensor:
    """Between cross-entropy (q near 0) and the mean absolute error (q = 1): a wrong
    label pulls less.

        l = sum_k y_k (1 - p_k^q) / q

    Source: Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural
    Networks with Noisy Labels", NeurIPS 2018, Eq. 6; q 0.7 is the paper's.

    Args:
        labels, outputs: as for `focal_loss`.
        q: in (0, 1].

    Returns:
        float (batch,), at most 1 / q.

    >>> generalized_cross_entropy(tf.constant([0]), {"logits": tf.zeros((1, 2))}, q=1.0)
    ... # [0.5]
    """
    log_probs = tf.nn.log_softmax(outputs["logits"])
    losses = (1.0 - tf.exp(q * log_probs)) / q
    return tf.reduce_sum(as_rows(labels, outputs) * losses, -1)


def smoothed_cross_entropy(
    labels: Tensor, outputs: dict[str, Tensor], smoothing: float = 0.1
) -> Tensor:
    """Cross-entropy against (1 - s) y + s / K.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
    CVPR 2016, section 7; s 0.1 is the paper's.

    Args:
        labels, outputs: as for `focal_loss`.
        smoothing: s in [0, 1].

    Returns:
        float (batch,).

    >>> smoothed_cross_entropy(tf.constant([0]), {"logits": tf.zeros((1, 2))}) # [log 2]
    """
    logits = outputs["logits"]
    rows = as_rows(labels, outputs)
    targets = (1.0 - smoothing) * rows + smoothing / logits.shape[-1]
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def class_balanced_cross_entropy(
    labels: Tensor,
    outputs: dict[str, Tensor],
    class_counts: Sequence[int] | Array,
    beta: float = 0.999,
) -> Tensor:
    """Cross-entropy weighted by each class's effective number of faces.

        w_k ~ (1 - beta) / (1 - beta^n_k),  sum_k w_k = K
        l = - sum_k y_k w_k log p_k,   p = softmax(z)

    Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR
    2019, Eq. 10; beta 0.999 is one of the paper's four.

    Args:
        labels, outputs: as for `focal_loss`.
        class_counts: int (num_classes,), n_k; a class without labelled faces counts as
            one that has one.
        beta: in [0, 1); 0 weighs all alike, near 1 by 1 / n_k.

    Returns:
        float (batch,).

    >>> class_balanced_cross_entropy(tf.constant([0]), {"logits": tf.zeros((1, 2))},
    ...                              class_counts=[5, 5])  # [log 2]
    """
    counts = np.maximum(np.asarray(class_counts, np.float64), 1.0)
    weights = (1.0 - beta) / (1.0 - beta**counts)
    weights = tf.constant(weights * len(weights) / weights.sum(), tf.float32)
    log_probs = tf.nn.log_softmax(outputs["logits"])
    return -tf.reduce_sum(as_rows(labels, outputs) * weights * log_probs, -1)


def logit_adjusted_cross_entropy(
    labels: Tensor,
    outputs: dict[str, Tensor],
    class_counts: Sequence[int] | Array,
    tau: float = 1.0,
) -> Tensor:
    """Cross-entropy of logits raised by the log frequency of their class, so that the
    plain logits, which predict, do without it.

        l = H(y, softmax(z + tau log pi)),   pi_k = n_k / sum n

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, Eq. 10;
    tau 1 is the paper's.

    Args:
        labels, outputs: as for `focal_loss`.
        class_counts: as for `class_balanced_cross_entropy`.
        tau: at least 0; 0 is cross-entropy.

    Returns:
        float (batch,).

    >>> logit_adjusted_cross_entropy(tf.constant([0]), {"logits": tf.zeros((1, 2))},
    ...                              class_counts=[1, 3])  # [log 4]
    """
    counts = np.maximum(np.asarray(class_counts, np.float64), 1.0)
    priors = tf.constant(tau * np.log(counts / counts.sum()), tf.float32)
    return cross_entropy(labels, {"logits": outputs["logits"] + priors})


def as_rows(labels: Tensor, outputs: dict[str, Tensor]) -> Tensor:
    """Labels as rows of probabilities, float (batch, num_classes).

    >>> as_rows(tf.constant([1]), {"logits": tf.zeros((1, 2))})  # [[0, 1]]
    """
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_floating:
        return labels
    return tf.one_hot(labels, outputs["logits"].shape[-1])
