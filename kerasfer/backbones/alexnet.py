"""AlexNet, the network of the large-margin papers."""

from collections.abc import Sequence

import keras

from kerasfer.types import Classifier


def alexnet(
    input_shape: Sequence[int],
    width: int = 4096,
    dropout: float = 0.5,
    embedding_activation: str = "relu",
) -> Classifier:
    """Five convolutions and two dense layers, of which the last is the embedding.

    57 million parameters for 227 x 227 pixels in colour and a width of 4096. As in
    Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
    arXiv:1404.5997, which Racoviteanu et al. (BMVC 2019) cite: one column, no local
    response normalisation, no batch normalisation.

    Args:
        input_shape: (height, width, channels), sides of 63 at least; 227 in the paper.
        width: of the embedding; 2 for the plane of the Margin-Mix supplement.
        dropout: rate before each of the two dense layers, in [0, 1).
        embedding_activation: of the last layer; None lets an embedding be negative,
            which one of width 2 needs to hold more than a quarter of the plane.

    Returns:
        a functional `keras.Model`, normalised images -> (batch, width).

    Raises:
        ValueError: a side below 63, of which nothing is left before the dense layers.

    >>> alexnet((64, 64, 3), width=16).output_shape
    (None, 16)
    """
    if min(input_shape[:2]) < 63:
        raise ValueError(
            "AlexNet needs images of 63 pixels a side at least; the paper has 227. "
            f"Received: input_shape={tuple(input_shape)}."
        )
    images = keras.Input(input_shape)
    x = keras.layers.ZeroPadding2D(2)(images)
    x = keras.layers.Conv2D(64, 11, strides=4, activation="relu")(x)
    x = keras.layers.MaxPooling2D(3, 2)(x)
    x = _conv(192, 5)(x)
    x = keras.layers.MaxPooling2D(3, 2)(x)
    for channels in (384, 256, 256):
        x = _conv(channels, 3)(x)
    x = keras.layers.MaxPooling2D(3, 2)(x)
    x = keras.layers.Flatten()(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Dense(4096, activation="relu")(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    x = keras.layers.Dense(width, activation=embedding_activation)(x)
    return keras.Model(images, x, name="alexnet")


def _conv(channels, size):
    return keras.layers.Conv2D(channels, size, padding="same", activation="relu")
