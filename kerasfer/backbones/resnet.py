"""ResNet-18 and ResNet-34, number for number those of torchvision."""

from collections.abc import Sequence

import keras

from kerasfer.layers import BatchNormalization
from kerasfer.types import Classifier


def resnet18(input_shape: Sequence[int]) -> Classifier:
    """Two residual blocks in each of four groups, widths 64, 128, 256, 512; 11.2 M
    parameters, embedding width 512.

    Strides pad explicitly (Keras' "same" pads elsewhere), batch normalisation has
    epsilon 1e-5 and momentum 0.9, and each layer with weights bears the name it has in
    a PyTorch checkpoint, so that `load_pytorch` fills them by name. A training step
    moves the running statistics as PyTorch's does.

    Expects `normalization="imagenet"`, and `dropout=0.5` in `build_classifier` as
    Ada-CM and ReMoP have it. Source: He et al., CVPR 2016, in torchvision's variant.

    Args:
        input_shape: (height, width, channels), sides of 32 at least; 224 in the papers.

    Returns:
        a functional `keras.Model`, normalised images -> feature map (batch, height/32,
        width/32, 512).

    >>> resnet18((224, 224, 3)).output_shape
    (None, 7, 7, 512)
    """
    return _resnet(input_shape, (2, 2, 2, 2), "resnet18")


def resnet34(input_shape: Sequence[int]) -> Classifier:
    """As `resnet18` with 3, 4, 6 and 3 blocks; 21.3 M parameters.

    >>> resnet34((64, 64, 3)).output_shape
    (None, 2, 2, 512)
    """
    return _resnet(input_shape, (3, 4, 6, 3), "resnet34")


def _resnet(input_shape, depths, name):
    images = keras.Input(input_shape)
    x = _conv(images, 64, 7, 2, "conv1")
    x = keras.layers.ReLU()(_norm(x, "bn1"))
    # Zeros pad as well as minus infinity: nothing is negative after a ReLU.
    x = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(x))
    for group, depth in enumerate(depths):
        for block in range(depth):
            strides = 2 if group > 0 and block == 0 else 1
            x = _block(x, 64 * 2**group, strides, f"layer{group + 1}.{block}")
    return keras.Model(images, x, name=name)


def _block(x, width, strides, name):
    shortcut = x
    if strides > 1 or x.shape[-1] != width:
        shortcut = _conv(x, width, 1, strides, f"{name}.downsample.0")
        shortcut = _norm(shortcut, f"{name}.downsample.1")
    x = _norm(_conv(x, width, 3, strides, f"{name}.conv1"), f"{name}.bn1")
    x = keras.layers.ReLU()(x)
    x = _norm(_conv(x, width, 3, 1, f"{name}.conv2"), f"{name}.bn2")
    return keras.layers.ReLU()(keras.layers.Add()([x, shortcut]))


def _conv(x, width, size, strides, name):
    # With strides, "same" pads elsewhere than PyTorch; without, a map that is padded
    # inside of the convolution need not be copied.
    if strides > 1 and size > 1:
        x = keras.layers.ZeroPadding2D(size // 2)(x)
    return keras.layers.Conv2D(
        width,
        size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(
            2.0, mode="fan_out", distribution="untruncated_normal"
        ),
        name=name,
    )(x)


def _norm(x, name):
    layer = BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)
    return layer(x)
