"""The network of DLP-CNN."""

from collections.abc import Sequence

import keras

from kerasfer.types import Classifier

_CONVOLUTIONS = ((64, True), (96, True), (128, False), (128, True), (256, False),
                 (256, False))  # fmt: skip
_WIDTH = 2000


def base_dcnn(input_shape: Sequence[int]) -> Classifier:
    """Six convolutions and a dense layer of 2,000 units, the embedding.

    74.9 million parameters at 100 pixels, 73.7 of them in the dense layer. No batch
    normalisation.

    Source: baseDCNN of Li, Deng and Du, CVPR 2017, in the layers of two
    reimplementations; trained on aligned faces of 100 pixels.

    Args:
        input_shape: (height, width, channels), sides of 16 at least; 100 in the paper.

    Returns:
        a functional `keras.Model`, normalised images -> (batch, 2000).

    >>> base_dcnn((48, 48, 3)).output_shape
    (None, 2000)
    """
    images = keras.Input(input_shape)
    x = images
    for width, pooled in _CONVOLUTIONS:
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        if pooled:
            x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(_WIDTH, activation="relu")(x)
    return keras.Model(images, x, name="base_dcnn")
