"""Distance of two sets of features: maximum mean discrepancy."""

from collections.abc import Sequence

import tensorflow as tf

from kerasfer.types import Tensor

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


def gaussian_kernel(features: Tensor, scales: Sequence[float] = SCALES) -> Tensor:
    """Mean over c of exp(-||a - b||^2 / (2 c m)), m the mean squared distance.

    m is a constant for the gradient, so that features cannot agree by growing.

    Args:
        features: float (n, width).
        scales: c, each positive.

    Returns:
        float (n, n).

    >>> gaussian_kernel(tf.constant([[0.0], [1.0]]), [1.0])[0, 1]  # exp(-1/2)
    """
    features = tf.cast(features, tf.float32)
    squares = tf.reduce_sum(tf.square(features), -1)
    products = tf.matmul(features, features, transpose_b=True)
    squared = tf.maximum(squares[:, None] + squares - 2.0 * products, 0.0)
    pairs = tf.cast(tf.size(squared) - tf.shape(squared)[0], tf.float32)
    mean = tf.stop_gradient(tf.math.divide_no_nan(tf.reduce_sum(squared), pairs))
    mean = tf.maximum(mean, 1e-12)
    return tf.add_n([tf.exp(-squared / (2.0 * c * mean)) for c in scales]) / len(scales)


def mean_discrepancy(kernel: Tensor, weights: Tensor, other_weights: Tensor) -> Tensor:
    """|| sum_i w_i phi(a_i) - sum_j v_j phi(b_j) ||^2, by kernel values.

    Args:
        kernel: float (n, n), of the features of both sets in one list.
        weights, other_weights: float (n,), w and v; each is divided by its sum, and one
            that is all 0 makes the result 0.

    Returns:
        float scalar, at least 0.

    >>> kernel = gaussian_kernel(tf.constant([[0.0], [1.0]]), [1.0])
    >>> mean_discrepancy(kernel, [1.0, 0.0], [0.0, 1.0])  # 2 - 2 exp(-1/2)
    """
    sums = tf.reduce_sum(weights), tf.reduce_sum(other_weights)
    signed = tf.math.divide_no_nan(weights, sums[0])
    signed -= tf.math.divide_no_nan(other_weights, sums[1])
    value = tf.reduce_sum(signed[:, None] * kernel * signed)
    there = (sums[0] > 0) & (sums[1] > 0)
    return tf.where(there, tf.maximum(value, 0.0), 0.0)
