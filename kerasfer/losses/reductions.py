"""The two means of semi-supervised learning, each with its denominator in its name.

Both are means over one replica's part of the batch, scaled so that their average over
replicas is the mean over the global batch; the frame divides by the replica count.
"""

from typing import Any

import tensorflow as tf

from kerasfer.types import Tensor


def num_replicas() -> int:
    """Number of devices that share the batch, 1 without a `tf.distribute` strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def all_reduce_sum(value: Any) -> Tensor:
    """Sum of a tensor over replicas; the tensor itself where there is one."""
    if num_replicas() == 1:
        return value
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def all_reduce_mean(value: Any) -> Tensor:
    """Mean of a tensor over replicas; the tensor itself where there is one."""
    return all_reduce_sum(value) / float(num_replicas())


def gathered(value: Any) -> Tensor:
    """The rows of all replicas, and the slice of them that is this replica's.

    Gradients flow back to the replica that a row came from.

    Args:
        value: float (batch, ...), of the same shape on each replica.

    Returns:
        float (replicas * batch, ...), and a slice.

    >>> gathered(tf.constant([1.0, 2.0]))  # itself and slice(0, 2) on one device
    """
    batch = tf.shape(value)[0]
    if num_replicas() == 1:
        return value, slice(0, batch)
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    here = tf.one_hot(replica, num_replicas(), dtype=value.dtype)
    # A sum of the parts, each in its place: its gradient is defined in all strategies.
    parts = all_reduce_sum(tf.tensordot(here, value, 0))
    rows = tf.reshape(parts, tf.concat([[-1], tf.shape(value)[1:]], 0))
    start = tf.cast(replica, batch.dtype) * batch
    return rows, slice(start, start + batch)


def batch_mean(values: Tensor) -> Tensor:
    """Mean over the whole batch: in FixMatch, masked images count as zero.

    Args:
        values: float (batch,).

    Returns:
        float scalar.

    >>> float(batch_mean(tf.constant([1.0, 0.0])))
    0.5
    """
    return tf.reduce_mean(values)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the kept entries of all replicas; 0 (with zero gradient) if none is.

    Args:
        values: float (batch,).
        mask: float (batch,) in {0, 1}, 1 = kept; or any non-negative weights.

    Returns:
        float scalar.

    >>> float(masked_mean(tf.constant([1.0, 7.0]), tf.constant([1.0, 0.0])))
    1.0
    """
    kept = all_reduce_sum(tf.reduce_sum(mask)) / num_replicas()
    return tf.math.divide_no_nan(tf.reduce_sum(values * mask), kept)
