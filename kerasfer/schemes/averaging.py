"""The averaged (EMA) copy of a classifier."""

import tensorflow as tf


def move_average(average, classifier, decay, following, finite=True):
    """average <- decay * average + (1 - decay) * value, for each float weight.

    Args:
        average, classifier: models with the same weights.
        decay: float tensor.
        following: ids of weights of `classifier` that are copied as they are.
        finite: bool scalar; where it is False, all stays as it is.
    """
    for mean, weight in zip(average.weights, classifier.weights, strict=True):
        value = tf.convert_to_tensor(weight)
        if value.dtype.is_floating and id(weight) not in following:
            rate = tf.cast(decay, value.dtype)
            value = rate * tf.convert_to_tensor(mean) + (1.0 - rate) * value
        mean.assign(tf.where(finite, value, tf.convert_to_tensor(mean)))
