"""The averaged (EMA) copy of a classifier."""

import tensorflow as tf


def move_average(average, classifier, decay, following, finite=True):
    """Average <- decay * average + (1 - decay) * value, for each float weight.

    Args:
        average, classifier: models with the same weights.
        decay: float tensor.
        following: ids of weights of `classifier` that are copied as they are.
        finite: bool scalar; where it is False, all stays as it is.
    """
    # As one step towards the value, and no step if not finite: a pass over all weights
    # less than two products and a choice.
    step = tf.where(finite, 1.0 - decay, 0.0)
    for mean, weight in zip(average.weights, classifier.weights, strict=True):
        value, before = tf.convert_to_tensor(weight), tf.convert_to_tensor(mean)
        if value.dtype.is_floating and id(weight) not in following:
            rate = tf.cast(step, value.dtype)
            mean.assign(before + tf.math.multiply_no_nan(value - before, rate))
        else:
            mean.assign(tf.where(finite, value, before))
