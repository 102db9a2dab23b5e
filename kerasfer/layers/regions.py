"""Fixed regions of a face, and the attention that weighs them."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer.types import Tensor

# Left, top, right, bottom as fractions of width and height. The whole face is first.
FIXED_REGIONS = (
    (0.0, 0.0, 1.0, 1.0),
    (0.0, 0.0, 0.75, 0.75),
    (0.25, 0.0, 1.0, 0.75),
    (0.125, 0.25, 0.875, 1.0),
    (0.05, 0.05, 0.95, 0.95),
    (0.075, 0.075, 0.925, 0.925),
)


@keras.saving.register_keras_serializable("kerasfer")
class Regions(keras.layers.Layer):
    """Crops of each image, resized to the image's size.

    Input float (batch, height, width, channels), output (batch * regions, ...), the
    regions of an image one after the other. Crops are static slices, so that they can
    be exported to ONNX and LiteRT.

    Args:
        boxes: (left, top, right, bottom) of each region, fractions of the side.

    Raises:
        ValueError: a box outside of the image, or without area.

    >>> Regions([(0, 0, 1, 1), (0, 0, 0.5, 0.5)])(tf.zeros((3, 8, 8, 1))).shape
    TensorShape([6, 8, 8, 1])
    """

    def __init__(
        self, boxes: Sequence[Sequence[float]] = FIXED_REGIONS, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.boxes = [tuple(float(edge) for edge in box) for box in boxes]
        if not self.boxes:
            raise ValueError("Expected at least one region. Received none.")
        for left, top, right, bottom in self.boxes:
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(
                    "A region must be (left, top, right, bottom), fractions of the "
                    f"side with left < right and top < bottom. Received: "
                    f"{(left, top, right, bottom)}."
                )

    def call(self, images: Tensor) -> Any:
        height, width, channels = images.shape[1:]
        crops = []
        for left, top, right, bottom in self.boxes:
            rows = slice(round(top * height), round(bottom * height))
            columns = slice(round(left * width), round(right * width))
            crop = images[:, rows, columns]
            if 0 in crop.shape[1:3]:
                raise ValueError(
                    f"The region {(left, top, right, bottom)} has no pixel of images "
                    f"of {height} x {width}. Make it larger."
                )
            crops.append(tf.cast(tf.image.resize(crop, (height, width)), images.dtype))
        stacked = tf.stack(crops, 1)
        return tf.reshape(stacked, (-1, height, width, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "boxes": self.boxes}


@keras.saving.register_keras_serializable("kerasfer")
class RegionAttention(keras.layers.Layer):
    """Features of an image's regions, weighed: RAN's self- and relation-attention.

        mu_i = a(q_0 . F_i + b_0),       F_m = sum mu_i F_i / sum mu_i
        nu_i = a(q_1 . [F_i; F_m] + b_1), P = sum mu_i nu_i [F_i; F_m] / sum mu_i nu_i

    with a the sigmoid or, with `normalized`, as the authors' code, the softmax over
    regions of the sigmoid: then mu is in [0.07, 0.35] for six regions.

    Input float (batch * regions, width), see `Regions`. Output: P, (batch, 2 * width),
    and mu, (batch, regions).

    Args:
        regions: of each image.
        normalized: whether weights of an image sum to 1.
        kernel_regularizer: of Keras, for q_0 and q_1.

    >>> features = tf.ones((6, 4))
    >>> pooled, attention = RegionAttention(regions=3)(features)
    >>> pooled.shape, attention.shape
    (TensorShape([2, 8]), TensorShape([2, 3]))
    """

    def __init__(
        self,
        regions: int,
        normalized: bool = True,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.regions, self.normalized = regions, normalized
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        options = {"kernel_regularizer": kernel_regularizer, "dtype": "float32"}
        self.own = keras.layers.Dense(1, name="self_attention", **options)
        self.relation = keras.layers.Dense(1, name="relation", **options)

    def build(self, input_shape: Any) -> None:
        width = input_shape[-1]
        self.own.build((None, self.regions, width))
        self.relation.build((None, self.regions, 2 * width))
        self.built = True

    def call(self, features: Tensor) -> Any:
        features = tf.cast(features, tf.float32)
        features = tf.reshape(features, (-1, self.regions, features.shape[-1]))
        mu = self._weights(self.own(features))
        mean = _weighted_mean(features, mu)
        pairs = tf.concat([features, tf.repeat(mean[:, None], self.regions, 1)], -1)
        nu = self._weights(self.relation(pairs))
        return _weighted_mean(pairs, mu * nu), mu[..., 0]

    def _weights(self, scores):
        gates = tf.sigmoid(scores)
        return tf.nn.softmax(gates, 1) if self.normalized else gates

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (None, 2 * input_shape[-1]), (None, self.regions)

    def get_config(self) -> dict:
        penalty = keras.regularizers.serialize(self.kernel_regularizer)
        own = {
            "regions": self.regions,
            "normalized": self.normalized,
            "kernel_regularizer": penalty if self.kernel_regularizer else None,
        }
        return {**super().get_config(), **own}


def _weighted_mean(values, weights):
    return tf.reduce_sum(weights * values, 1) / tf.reduce_sum(weights, 1)
