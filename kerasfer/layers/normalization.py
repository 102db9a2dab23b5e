"""Layers that bring pixels and embeddings to scale."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses.margin import unit
from kerasfer.types import Array, Tensor

NORMALIZATIONS = (
    "imagenet", "caffe", "vgg_face", "dlib", "unit", "per_plane", "none",
)  # fmt: skip
_IMAGENET_MEAN = (123.675, 116.28, 103.53)  # 255 * (0.485, 0.456, 0.406)
_IMAGENET_STD = (58.395, 57.12, 57.375)  # 255 * (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # of BGR
DLIB_MEAN = (122.782, 117.001, 104.298)
_VGG_FACE_MEAN = (129.1863, 104.7624, 93.5940)


@keras.saving.register_keras_serializable("kerasfer")
class ImageNormalization(keras.layers.Layer):
    """Pixels 0..255 to what a backbone expects; the classifier's first layer.

    Args:
        kind: "imagenet": ImageNet's mean and deviation per colour, their average for
            grey; "caffe": BGR less ImageNet's mean, for ResNet50 and VGG16 of
            keras.applications; "vgg_face": less VGG-Face's mean colour; "dlib": less
            dlib's, over 256; "unit": to [-1, 1]; "per_plane": mean 0 and deviation 1 in
            each plane of each image (a constant plane becomes 0); "none": as they are,
            for networks that scale inside (EfficientNet, ConvNeXt, MobileNetV3).

    Input numeric (batch, height, width, 1 or 3), output float32 of that shape.

    Raises:
        ValueError: another `kind`.

    >>> ImageNormalization("unit")(tf.constant([[[[0.0], [255.0]]]]))  # -1 and 1
    """

    def __init__(self, kind: str = "unit", **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if kind not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {', '.join(NORMALIZATIONS)}. "
                f"Received: {kind!r}."
            )
        self.kind = kind

    def call(self, images: Array) -> Any:
        images = tf.cast(images, tf.float32)
        if self.kind == "none":
            return images
        if self.kind == "unit":
            return images / 127.5 - 1.0
        channels = images.shape[-1]
        if self.kind == "imagenet":
            deviation = _colors(_IMAGENET_STD, channels)
            return (images - _colors(_IMAGENET_MEAN, channels)) / deviation
        if self.kind == "caffe":
            return images[..., ::-1] - _colors(_CAFFE_MEAN, channels)
        if self.kind == "vgg_face":
            return images - _colors(_VGG_FACE_MEAN, channels)
        if self.kind == "dlib":
            return (images - _colors(DLIB_MEAN, channels)) / 256.0
        mean, variance = tf.nn.moments(images, [1, 2], keepdims=True)
        return (images - mean) / tf.maximum(tf.sqrt(variance), 1.0)

    def get_config(self) -> dict:
        return {**super().get_config(), "kind": self.kind}


def _colors(values, channels):
    """One value per colour; for grey their average."""
    return tf.constant(values) if channels == 3 else tf.reduce_mean(values)


@keras.saving.register_keras_serializable("kerasfer")
class UnitLength(keras.layers.Layer):
    """Rows scaled to length 1, so that logits depend on directions alone.

    Input float (batch, width), output float32 of that shape. A length below 1e-4 counts
    as 1e-4, so that a row of zeros stays zero with a finite gradient.

    >>> UnitLength()(tf.constant([[3.0, 4.0]]))  # [[0.6, 0.8]]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, embeddings: Tensor) -> Any:
        return unit(embeddings)
