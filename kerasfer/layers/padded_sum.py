"""The sum of two maps of unlike sizes."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("kerasfer")
class PaddedSum(keras.layers.Layer):
    """Adds two maps; the smaller one is filled up with zeros, at the bottom, the right
    and in the last channels, as dlib's `add_prev` does.

    Input: two float tensors (batch, height, width, channels) of any known sizes.

    >>> PaddedSum()([tf.ones((1, 2, 2, 3)), tf.ones((1, 1, 2, 1))]).shape
    TensorShape([1, 2, 2, 3])
    """

    def call(self, inputs: Any) -> Any:
        sizes = [max(pair) for pair in zip(*(x.shape[1:] for x in inputs), strict=True)]
        return tf.add_n([_filled(x, sizes) for x in inputs])

    def compute_output_shape(self, input_shape: Any) -> tuple:
        first, second = input_shape
        return (first[0], *map(max, zip(first[1:], second[1:], strict=True)))


def _filled(x, sizes):
    missing = [[0, size - n] for size, n in zip(sizes, x.shape[1:], strict=True)]
    return tf.pad(x, [[0, 0], *missing]) if any(m[1] for m in missing) else x
