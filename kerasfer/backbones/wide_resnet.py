"""Wide residual network, the backbone of the semi-supervised benchmarks."""

import math
from collections.abc import Sequence

import keras

from kerasfer.layers import BatchNormalization
from kerasfer.types import Classifier


def wide_resnet_28_2(input_shape: Sequence[int]) -> Classifier:
    """WRN-28-2: three groups of four pre-activation blocks, widths 32, 64, 128; 1.47 M
    parameters, embedding width 128.

    Biases in no convolution but the stem, batch normalisation with momentum 0.999 and
    epsilon 1e-5, LeakyReLU(0.1), kernels from N(0, sqrt(2 / fan_out)): as USB. The
    first block activates before it branches.

    Source: Zagoruyko and Komodakis, BMVC 2016; Oliver et al., NeurIPS 2018.

    Args:
        input_shape: (height, width, channels), any size; 48 pixels for FER+.

    Returns:
        a functional `keras.Model`, normalised images -> feature map (batch, height/4,
        width/4, 128).

    >>> wide_resnet_28_2((48, 48, 3)).output_shape
    (None, 12, 12, 128)
    """
    images = keras.Input(input_shape)
    x = _conv(16, 3, use_bias=True)(images)
    for group, width in enumerate((32, 64, 128)):
        for block in range(4):
            strides = 2 if group > 0 and block == 0 else 1
            x = _block(x, width, strides, activate_first=group == 0 and block == 0)
    return keras.Model(images, _activated(x), name="wide_resnet_28_2")


def _block(x, width, strides, activate_first):
    activated = _activated(x)
    shortcut = activated if activate_first else x
    if x.shape[-1] != width:
        shortcut = _conv(width, 1, strides)(shortcut)
    residual = _activated(_conv(width, 3, strides)(activated))
    return keras.layers.Add()([shortcut, _conv(width, 3)(residual)])


def _conv(width, size, strides=1, use_bias=False):
    fan_out = size * size * width
    return keras.layers.Conv2D(
        width,
        size,
        strides=strides,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=keras.initializers.RandomNormal(
            stddev=math.sqrt(2.0 / fan_out)
        ),
    )


def _activated(x):
    x = BatchNormalization(momentum=0.999, epsilon=1e-5)(x)
    # Keras 2.15 and 3 name the slope differently; it is the first argument of both.
    return keras.layers.LeakyReLU(0.1)(x)
