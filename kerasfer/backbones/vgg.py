"""VGG-16, in the layout of VGG-Face."""

from collections.abc import Sequence

import keras

from kerasfer.types import Classifier

_GROUPS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def vgg16(
    input_shape: Sequence[int], width: int = 4096, dropout: float = 0.5
) -> Classifier:
    """Thirteen convolutions and two dense layers, of which the last is the embedding.

    134 million parameters at 224 pixels. Layers bear the names of VGG-Face as ported to
    PyTorch (conv1_1 to conv5_3, fc6, fc7), so that `load_pytorch` fills them by name;
    the map is flattened channel by channel, as there. Expects
    `normalization="vgg_face"` with those weights.

    Source: Parkhi, Vedaldi and Zisserman, "Deep Face Recognition", BMVC 2015;
    configuration D of Simonyan and Zisserman, ICLR 2015.

    Args:
        input_shape: (height, width, channels), sides of 32 at least; 224 for VGG-Face.
        width: of the two dense layers; 4,096 for VGG-Face.
        dropout: rate after each of the two dense layers, in [0, 1).

    Returns:
        a functional `keras.Model`, normalised images -> (batch, width).

    Raises:
        ValueError: a side below 32.

    >>> vgg16((32, 32, 3), width=8).output_shape
    (None, 8)
    """
    if min(input_shape[:2]) < 32:
        raise ValueError(
            "VGG-16 needs images of 32 pixels a side at least; VGG-Face has 224. "
            f"Received: input_shape={tuple(input_shape)}."
        )
    images = keras.Input(input_shape)
    x = images
    for group, (channels, depth) in enumerate(_GROUPS, 1):
        for number in range(1, depth + 1):
            x = keras.layers.Conv2D(
                channels,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"conv{group}_{number}",
            )(x)
        x = keras.layers.MaxPooling2D(2, 2)(x)
    x = keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(x))
    for name in ("fc6", "fc7"):
        x = keras.layers.Dense(width, activation="relu", name=name)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    return keras.Model(images, x, name="vgg16")
