"""Weights that change over a run, as functions of the fraction of it that is done."""

import tensorflow as tf


def linear_ramp(progress, length):
    """Rises from 0 to 1 over the first `length` of a run, then stays.

    Args:
        progress: float scalar in [0, 1], the fraction of the run that is done.
        length: fraction of the run; 0 gives 1 throughout.

    Returns:
        float scalar in [0, 1].

    >>> float(linear_ramp(0.2, length=0.4))
    0.5
    """
    if length <= 0:
        return tf.ones(())
    return tf.clip_by_value(tf.cast(progress, tf.float32) / length, 0.0, 1.0)
