"""Losses on annotated action units; what is not annotated does not count."""

import tensorflow as tf

from kerasfer.types import Tensor


def action_unit_error(targets: Tensor, outputs: dict[str, Tensor]) -> Tensor:
    """Mean squared error over the annotated units of each face.

        l_i = 1/|A_i| sum_{m in A_i} (a_im - p_im)^2,   between 0 and 1

    A face without any annotation has loss 0, and counts in a mean over the batch.

    Source: Racoviteanu et al., BMVC 2019, section 3.3, "mean square error between the
    vector of annotated intensity AU over a face image and the network prediction".

    Args:
        targets: float (batch, num_aus) in [0, 1]; a negative entry is not annotated.
        outputs: the classifier's output; `outputs["probs"]`, (batch, num_aus), is used.

    Returns:
        float32 (batch,).

    >>> action_unit_error([[1.0, -1.0]], {"probs": [[0.5, 0.9]]})  # [0.25]
    """
    targets, annotated = _annotated(targets)
    return _mean_over(annotated, tf.square(targets - outputs["probs"]))


def action_unit_cross_entropy(targets: Tensor, outputs: dict[str, Tensor]) -> Tensor:
    """Mean binary cross-entropy over the annotated units of each face.

        l_i = -1/|A_i| sum_{m in A_i} a_im log s(z_im) + (1 - a_im) log(1 - s(z_im))

    with s the logistic function. Intensities between 0 and 1 are soft targets.
    Arguments and result as for `action_unit_error`, but that `outputs["logits"]` is
    used.

    >>> action_unit_cross_entropy([[1.0, -1.0]], {"logits": [[0.0, 9.0]]})  # [log 2]
    """
    targets, annotated = _annotated(targets)
    entropies = tf.nn.sigmoid_cross_entropy_with_logits(
        targets, tf.cast(outputs["logits"], tf.float32)
    )
    return _mean_over(annotated, entropies)


def _annotated(targets):
    targets = tf.cast(targets, tf.float32)
    annotated = tf.cast(targets >= 0, tf.float32)
    return targets * annotated, annotated


def _mean_over(annotated, values):
    total = tf.reduce_sum(annotated * values, -1)
    return tf.math.divide_no_nan(total, tf.reduce_sum(annotated, -1))
