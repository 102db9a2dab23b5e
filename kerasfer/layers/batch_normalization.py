"""Batch normalisation in one operation."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.types import Tensor

_FUSED_TYPES = (tf.float32, tf.float16, tf.bfloat16)


@keras.saving.register_keras_serializable("kerasfer")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, by TensorFlow's fused operation where that computes the same.

        y = gamma (x - mean) / sqrt(variance + epsilon) + beta

    Keras 3 composes it of a dozen operations, each of which reads and writes the whole
    map: a third of a training step of ResNet-18 on a CPU. Statistics are float32 also
    for maps in half precision. Maps in memory as (batch, height, width, channels) with
    `scale` and `center` are fused; masks, other shapes, `synchronized=True` and float64
    are left to Keras.

    *Deviation from Keras 3*: the running variance is of the unbiased variances of
    batches, n / (n - 1) times the biased ones, n = batch * height * width. So are
    PyTorch's and Keras 2's. What a training step computes depends on neither.

    Arguments: Keras'.

    >>> BatchNormalization(momentum=0.9)(tf.zeros((2, 4, 4, 8))).shape
    TensorShape([2, 4, 4, 8])
    """

    def call(
        self,
        inputs: Any,
        training: bool | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        if mask is not None or not self._is_fused_here(inputs):
            return super().call(inputs, training=training, mask=mask)
        learns = bool(training) and self.trainable
        mean, variance = (
            tf.convert_to_tensor(v) for v in (self.moving_mean, self.moving_variance)
        )
        outputs = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            # In training the operation takes statistics of the batch, and wants these
            # empty.
            mean=tf.zeros([0]) if learns else mean,
            variance=tf.zeros([0]) if learns else variance,
            epsilon=self.epsilon,
            is_training=learns,
        )
        if learns:
            rate = 1.0 - self.momentum
            self.moving_mean.assign(mean + rate * (outputs.batch_mean - mean))
            step = outputs.batch_variance - variance
            self.moving_variance.assign(variance + rate * step)
        return outputs.y

    def _is_fused_here(self, inputs):
        if hasattr(self, "fused"):
            return False  # Keras 2 does it by itself
        return (
            len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not self.synchronized
            and not getattr(self, "renorm", False)
            and tf.as_dtype(inputs.dtype) in _FUSED_TYPES
        )
