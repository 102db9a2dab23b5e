"""MixUp: convex combinations of images and of their labels."""

import tensorflow as tf

from kerasfer.types import Array, Tensor


def mixup(images: Array, labels: Tensor, weight: Tensor, key: Tensor) -> Tensor:
    """Mixes each entry with a partner, images and labels alike.

        x' = w x + (1 - w) x_partner,   y' = w y + (1 - w) y_partner

    Random draws are arguments: partner i is entry argsort(key)[i].
    Reference: Zhang et al., "mixup", ICLR 2018; with w >= 1/2 as in MixMatch (Eq. 10)
    an entry stays nearer to itself than to its partner.

    Args:
        images: numeric (batch, ...).
        labels: float (batch, num_classes).
        weight: float (batch,), w in [0, 1]; 1 leaves an entry as it is.
        key: float (batch,).

    Returns:
        images and labels, float32, of the shapes given.

    >>> mixup([[0.0], [8.0]], [[1.0, 0.0], [0.0, 1.0]], [0.75, 1.0], [0.9, 0.1])
    ... # images [[2], [8]], labels [[.75, .25], [0, 1]]
    """
    partner = tf.argsort(key)
    return _mix(images, weight, partner), _mix(labels, weight, partner)


def _mix(values, weight, partner):
    values = tf.cast(values, tf.float32)
    weight = tf.reshape(weight, [-1] + [1] * (values.shape.rank - 1))
    return weight * values + (1.0 - weight) * tf.gather(values, partner)
