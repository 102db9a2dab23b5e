"""What classifiers share: their beginning, their backbone, their end."""

import warnings

import keras

from kerasfer.backbones import backbone_by_name
from kerasfer.layers import ImageNormalization, ImageResizing, UnitLength
from kerasfer.training.copies import copy_of, is_functional

_ACTIVATIONS = ("softmax", "sigmoid")


def normalized_images(input_shape, normalization, resize_to=None):
    """Input tensor of a classifier, and its normalised images, of the size that the
    backbone sees."""
    # float32, not uint8: Keras would cast the images that MixUp blends back to uint8.
    images = x = keras.Input(input_shape, dtype="float32", name="image")
    if resize_to is not None:
        if min(a - b for a, b in zip(resize_to, input_shape, strict=False)) < 0:
            raise ValueError(
                f"`resize_to` enlarges images. Received: {tuple(resize_to)} for images "
                f"of {tuple(input_shape[:2])}. Give smaller images instead."
            )
        x = ImageResizing(resize_to, name="resizing")(x)
    return images, ImageNormalization(normalization, name="normalization")(x)


def prepared_backbone(
    backbone,
    input_shape,
    normalization,
    weight_penalty=None,
    synchronized_batch_norm=False,
):
    """The backbone as a model, with what is asked for.

    Raises:
        ValueError: see `kerasfer.build_classifier`.
    """
    backbone = _built(backbone, input_shape)
    _warn_of_two_scalings(backbone, normalization)
    if not is_functional(backbone) and (weight_penalty or synchronized_batch_norm):
        raise ValueError(
            "`weight_penalty` and `synchronized_batch_norm` change layers, and those "
            f"of {backbone.name!r} are hidden in its class {type(backbone).__name__}. "
            "Set them there, or build the backbone by keras.Model(inputs, outputs)."
        )
    if weight_penalty is not None:
        penalty = keras.regularizers.get(weight_penalty)
        backbone = copy_of(backbone, kernel_regularizer=penalty)
    if synchronized_batch_norm:
        backbone = copy_of(backbone, synchronized=True)
    return backbone


def classified(
    features,
    num_classes,
    dropout=0.0,
    activation="softmax",
    unit_embedding=False,
    weight_penalty=None,
):
    """Name -> output of a classifier, of features (batch, width).

    Raises:
        ValueError: another activation.
    """
    if activation not in _ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {', '.join(_ACTIVATIONS)}. Received: "
            f"{activation!r}."
        )
    x = features
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    if unit_embedding:
        x = UnitLength(name="unit_length")(x)
    embedding = keras.layers.Activation("linear", dtype="float32", name="embedding")(x)
    logits = keras.layers.Dense(
        num_classes, kernel_regularizer=weight_penalty, dtype="float32", name="logits"
    )(embedding)
    probs = keras.layers.Activation(activation, dtype="float32", name="probs")(logits)
    return {"embedding": embedding, "logits": logits, "probs": probs}


def checked(images, outputs, name, backbone):
    """The classifier; one of a caller's own backbone is tried as a scheme will use it.

    Raises:
        ValueError: Keras cannot copy the backbone.
    """
    classifier = keras.Model(images, outputs, name=name)
    if not isinstance(backbone, str):
        copy_of(classifier)  # fails here, beside the backbone
    return classifier


def _warn_of_two_scalings(backbone, normalization):
    """Where the backbone scales pixels itself: contrast would be lost, silently."""
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    first = [layer for layer in backbone.layers[:4] if isinstance(layer, kinds)]
    if first and normalization != "none":
        warnings.warn(
            f"{backbone.name} begins with {first[0].name}, which scales pixels, and "
            f'normalization={normalization!r} does so before it. Use normalization="'
            'none".',
            stacklevel=3,
        )


def _built(backbone, input_shape):
    if isinstance(backbone, str):
        return backbone_by_name(backbone)(input_shape)
    if not isinstance(backbone, keras.Model) and callable(backbone):
        backbone = backbone(input_shape)
    if not isinstance(backbone, keras.Model):
        raise ValueError(
            "Expected `backbone` to be a name, a Keras model, or a function of "
            f"(height, width, channels) that gives one. Received: {backbone!r}."
        )
    if is_functional(backbone) and not backbone.built:  # a Sequential
        backbone.build((None, *input_shape))
    return backbone


def features_of(backbone, images):
    """A map (batch, height, width, channels) or a vector (batch, width).

    Raises:
        ValueError: the backbone gives something else.
    """
    features = backbone(images)
    if isinstance(features, (dict, list, tuple)):
        is_dict = isinstance(features, dict)
        names = ", ".join(features) if is_dict else f"{len(features)} tensors"
        raise ValueError(
            "The backbone must give one tensor, a map or a vector. Received: "
            f"{names}. Take one: keras.Model(backbone.input, backbone.output[...])."
        )
    if len(features.shape) not in (2, 4):
        raise ValueError(
            "The backbone must give (batch, height, width, channels) or (batch, width)."
            f" Received: shape={features.shape}."
        )
    return features
