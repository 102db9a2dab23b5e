"""Under float16 a step may overflow: then nothing of it may stay.

The optimizer skips such a step and lowers its scale; batch statistics, centroids and
averages know nothing of that, and one infinite value in them is there for good.
"""

import tensorflow as tf

from kerasfer.losses.reductions import all_reduce_sum


def all_finite(gradients):
    """Whether the gradients of all replicas are numbers, bool scalar."""
    # A sum is finite only if all of it is, and reads each gradient once.
    sums = [tf.reduce_sum(g) for g in gradients if g is not None]
    broken = 1.0 - tf.cast(tf.math.is_finite(tf.add_n(sums)), tf.float32)
    return tf.equal(all_reduce_sum(broken), 0.0)


def statistics_of(*classifiers):
    """(variable, its value now) of what a forward pass moves by itself."""
    return [
        (variable, tf.identity(variable))
        for classifier in classifiers
        if classifier is not None
        for variable in classifier.non_trainable_variables
        if variable.dtype in ("float32", tf.float32)
    ]


def restore_unless(finite, statistics):
    """Puts values back where the step was not finite."""
    for variable, before in statistics:
        variable.assign(tf.where(finite, tf.convert_to_tensor(variable), before))
