"""A residual network sized for two CPU cores and faces of about 48 pixels."""

from collections.abc import Sequence

import keras

from kerasfer.layers import BatchNormalization
from kerasfer.types import Classifier

_WIDTHS = (48, 96, 192)


def compact(input_shape: Sequence[int]) -> Classifier:
    """Stem of stride 2, then three residual blocks that halve the map.

    684 k parameters, embedding width 192. A CPU is worst at thin layers in full
    resolution: nothing here runs at more than half the input's.

    Args:
        input_shape: (height, width, channels), sides of 16 at least.

    Returns:
        a functional `keras.Model`, normalised images -> feature map (batch, height/16,
        width/16, 192).

    >>> compact((48, 48, 3)).output_shape
    (None, 3, 3, 192)
    """
    images = keras.Input(input_shape)
    x = _norm_relu(_conv(24, 3, strides=2)(images))
    for width in _WIDTHS:
        x = _block(x, width)
    return keras.Model(images, x, name="compact")


def _block(x, width):
    residual = _norm_relu(_conv(width, 3, strides=2)(x))
    residual = _norm()(_conv(width, 3)(residual))
    shortcut = keras.layers.AveragePooling2D(2, padding="same")(x)
    shortcut = _norm()(_conv(width, 1)(shortcut))
    return keras.layers.ReLU()(keras.layers.Add()([residual, shortcut]))


def _conv(width, size, strides=1):
    return keras.layers.Conv2D(
        width,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )


def _norm():
    # Keras' default momentum of 0.99 lags behind in runs of a few hundred steps.
    return BatchNormalization(momentum=0.9)


def _norm_relu(x):
    return keras.layers.ReLU()(_norm()(x))
