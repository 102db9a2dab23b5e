"""InfoNCE between two views of the same faces."""

import tensorflow as tf

from kerasfer.losses.margin import unit
from kerasfer.losses.reductions import gathered
from kerasfer.types import Tensor

_EXCLUDED = -1e9  # as a logit; finite, so that a row without candidates has a gradient


def info_nce(
    view_1: Tensor,
    view_2: Tensor,
    mask: Tensor,
    temperature: float = 0.07,
    symmetric: bool = True,
) -> Tensor:
    """How hard it is to find a face's other view among those of all kept faces.

        l(u, v) = -log  exp(u.v / T) / sum_{w != u} exp(u.w / T)
        L_i = (l(a_i, b_i) + l(b_i, a_i)) / 2                  (symmetric)
        L_i = l(a_i, b_i)                                      (otherwise)

    with rows scaled to unit length, and w over both views of the kept faces of all
    replicas. A single kept face has nothing to be told from: its loss is exactly 0, and
    so is that of a face that is not kept.

    Source: Chen et al., "SimCLR", ICML 2020; the one-sided form is Ada-CM's Eq. 9, the
    symmetric one its code's.

    Args:
        view_1, view_2: float (batch, width), any length.
        mask: float (batch,), 0 leaves a face out as anchor and as candidate.
        temperature: T > 0. 0.07 is that of Ada-CM's code.
        symmetric: whether both views are anchors.

    Returns:
        float32 (batch,), in [0, log(2 batch - 1) + 2 / T].

    Raises:
        ValueError: `temperature` is not positive.

    >>> a, b = tf.eye(2), tf.eye(2)
    >>> info_nce(a, b, tf.ones(2), 1.0)  # -log(e / (e + 2)) = 0.551, twice
    """
    if temperature <= 0:
        raise ValueError(f"`temperature` must be > 0. Received: {temperature}.")
    mask = tf.cast(mask, tf.float32)
    first, own = gathered(unit(view_1))
    second, _ = gathered(unit(view_2))
    kept, _ = gathered(tf.cast(mask > 0, tf.float32))
    loss = _one_sided(first, second, kept, temperature)
    if symmetric:
        loss = (loss + _one_sided(second, first, kept, temperature)) / 2.0
    return tf.where(mask > 0, loss[own], 0.0)


def _one_sided(anchors, others, kept, temperature):
    """l(u, v) of each anchor; rows that are not kept hold finite nonsense."""
    itself = tf.eye(tf.shape(anchors)[0])
    same = _candidates(anchors, anchors, kept - itself, temperature)
    across = _candidates(anchors, others, kept + 0.0 * itself, temperature)
    positive = tf.linalg.diag_part(across)
    return tf.reduce_logsumexp(tf.concat([same, across], 1), 1) - positive


def _candidates(anchors, others, allowed, temperature):
    logits = tf.matmul(anchors, others, transpose_b=True) / temperature
    return tf.where(allowed > 0, logits, _EXCLUDED)
