"""The Inception network of Mollahosseini, Chan and Mahoor (WACV 2016)."""

from collections.abc import Sequence

import keras

from kerasfer.types import Classifier

# Widths of the branches: 1x1; 1x1 and 3x3; 1x1 and 5x5; 1x1 after the pooling.
_BLOCKS = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    (192, (96, 208), (16, 48), 64),
    (192, (96, 208), (16, 48), 64),
)


def inception(input_shape: Sequence[int]) -> Classifier:
    """Two convolutions, each with a pooling, four Inception blocks, two dense layers.

    *A reconstruction*: the abstract says the order of layers; widths are those of
    GoogLeNet's first blocks (3a, 3b, 4a, and 4a again), dense layers 4,096 and 1,024.

    Args:
        input_shape: (height, width, channels), sides of 32 at least.

    Returns:
        a functional `keras.Model`, normalised images -> (batch, 1024).

    >>> inception((48, 48, 3)).output_shape
    (None, 1024)
    """
    layers = keras.layers
    images = keras.Input(input_shape)
    x = layers.Conv2D(64, 7, 2, padding="same", activation="relu")(images)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = layers.Conv2D(192, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for number, widths in enumerate(_BLOCKS):
        x = _block(x, *widths)
        if number == 1:
            x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    for width in (4096, 1024):
        x = layers.Dense(width, activation="relu")(x)
    return keras.Model(images, x, name="inception")


def _block(x, single, triple, fivefold, pooled):
    small = _conv(x, single, 1)
    middle = _conv(_conv(x, triple[0], 1), triple[1], 3)
    large = _conv(_conv(x, fivefold[0], 1), fivefold[1], 5)
    pooling = keras.layers.MaxPooling2D(3, 1, padding="same")(x)
    branches = [small, middle, large, _conv(pooling, pooled, 1)]
    return keras.layers.Concatenate()(branches)


def _conv(x, width, size):
    return keras.layers.Conv2D(width, size, padding="same", activation="relu")(x)
