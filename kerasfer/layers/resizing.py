"""Images of another size, made on the device."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer.types import Array


@keras.saving.register_keras_serializable("kerasfer")
class ImageResizing(keras.layers.Layer):
    """Images resized bilinearly, without antialiasing: for enlarging them.

    Not `keras.layers.Resizing`: in Keras 3 its `call` defaults to `training=True`,
    which the other layers of a functional model inherit, so that batch normalisation
    uses and updates batch statistics also when the model is called for a prediction.

    Args:
        size: (height, width) in pixels.

    Input numeric (batch, height, width, channels), output float32.

    Raises:
        ValueError: a size below 1.

    >>> ImageResizing((96, 96))(tf.zeros((2, 48, 48, 3))).shape
    TensorShape([2, 96, 96, 3])
    """

    def __init__(self, size: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if len(size) != 2 or min(size) < 1:
            raise ValueError(
                "`size` must be (height, width), each at least 1. Received: "
                f"{tuple(size)}."
            )
        self.size = tuple(size)

    def call(self, images: Array) -> Any:
        return tf.image.resize(tf.cast(images, tf.float32), self.size)

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}
