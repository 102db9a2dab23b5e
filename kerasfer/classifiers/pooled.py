"""The classifier: a functional model, image to embedding, logits, probabilities."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasfer.backbones import backbone_by_name
from kerasfer.layers import ImageNormalization, UnitLength
from kerasfer.training.copies import copy_of, is_functional
from kerasfer.types import Classifier

_ACTIVATIONS = ("softmax", "sigmoid")


def build_classifier(
    backbone: str | Classifier | Callable[..., Classifier],
    input_shape: Sequence[int],
    num_classes: int,
    normalization: str = "unit",
    dropout: float = 0.0,
    activation: str = "softmax",
    unit_embedding: bool = False,
    weight_penalty: Any = None,
    synchronized_batch_norm: bool = False,
) -> Classifier:
    """Normalisation, backbone, global average pooling, dropout, one dense layer.

    The model takes images as uint8 or float in 0..255, (batch, *input_shape), and gives
    a dict of float32 tensors, also under mixed precision:

    * "embedding" (batch, width): the pooled features, after dropout, of length 1 with
      `unit_embedding`;
    * "logits" (batch, num_classes): what losses read;
    * "probs" (batch, num_classes): what argmax, thresholds, `predict` and export read.

    Its layer `feature_map` holds the backbone's map, if the backbone has one.

    Args:
        backbone: a name in `kerasfer.backbones.BACKBONES` ("compact",
            "wide_resnet_28_2", "resnet18", "resnet34", "alexnet", "base_dcnn", "vgg16",
            "dlib_resnet"); "keras:" and a name in `keras.applications`; a function of
            `input_shape` that builds a Keras model; or such a model, from normalised
            images to a feature map (batch, h, w, width) or to pooled features (batch,
            width), also of a class of its own, where Keras can copy that
            (`get_config`).
        input_shape: (height, width, channels), channels 1 or 3.
        num_classes: expressions, or action units with `activation="sigmoid"`.
        normalization: "unit", "imagenet", "caffe", "vgg_face", "dlib", "per_plane" or
            "none", see `kerasfer.layers.ImageNormalization`; match a pretrained
            backbone's. One that scales inside gets "none" (else there is a warning).
        dropout: rate in [0, 1) before the dense layer.
        activation: "softmax" for classes that exclude each other, "sigmoid" else.
        unit_embedding: scales the embedding to length 1 before the dense layer, as
            Ada-CM's code does. Logits then grow only by the dense layer's weights:
            expect no confident face in the first few hundred steps.
        weight_penalty: a Keras regularizer, or its name, for the kernels of all
            convolutions and dense layers, the backbone's included; None leaves them as
            they are. A scheme adds it to its loss as `penalty`.
        synchronized_batch_norm: whether the backbone's batch statistics are those of
            all replicas together; else each has its own, of a part of the batch.

    Returns:
        a functional `keras.Model`.

    Raises:
        ValueError: an unknown backbone, normalisation or activation, a backbone
            whose output is neither a map nor a vector, one that Keras cannot copy, or
            `weight_penalty` or `synchronized_batch_norm` for one whose layers are
            hidden in a class of its own.

    >>> classifier = build_classifier("compact", (48, 48, 3), num_classes=8)
    >>> classifier(tf.zeros((2, 48, 48, 3), tf.uint8))["probs"].shape
    TensorShape([2, 8])
    """
    if activation not in _ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {', '.join(_ACTIVATIONS)}. Received: "
            f"{activation!r}."
        )
    # float32, not uint8: Keras would cast the images that MixUp blends back to uint8.
    images = keras.Input(input_shape, dtype="float32", name="image")
    x = ImageNormalization(normalization, name="normalization")(images)
    is_given = not isinstance(backbone, str)
    backbone = _backbone(backbone, input_shape)
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
    x = backbone(x)
    if isinstance(x, (dict, list, tuple)):
        names = ", ".join(x) if isinstance(x, dict) else f"{len(x)} tensors"
        raise ValueError(
            "The backbone must give one tensor, a map or a vector. Received: "
            f"{names}. Take one: keras.Model(backbone.input, backbone.output[...])."
        )
    if len(x.shape) == 4:
        x = keras.layers.Activation("linear", name="feature_map")(x)
        x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    elif len(x.shape) != 2:
        raise ValueError(
            "The backbone must give (batch, height, width, channels) or (batch, width)."
            f" Received: shape={x.shape}."
        )
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    if unit_embedding:
        x = UnitLength(name="unit_length")(x)
    embedding = keras.layers.Activation("linear", dtype="float32", name="embedding")(x)
    logits = keras.layers.Dense(
        num_classes, kernel_regularizer=weight_penalty, dtype="float32", name="logits"
    )(embedding)
    probs = keras.layers.Activation(activation, dtype="float32", name="probs")(logits)
    classifier = keras.Model(
        images,
        {"embedding": embedding, "logits": logits, "probs": probs},
        name="classifier",
    )
    if is_given:
        copy_of(classifier)  # what a scheme will do; fails here, beside the backbone
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


def build_separate_classifiers(
    backbone: str | Callable[..., Classifier],
    input_shape: Sequence[int],
    num_outputs: int,
    **options: Any,
) -> Classifier:
    """A network of its own for each action unit, as one classifier.

    What several networks trained apart would give, at `num_outputs` times the memory
    and time: the upper bound that Racoviteanu et al. (BMVC 2019, section 4.4) mention.
    Under a loss that is a mean over units, their gradients do not mix.

    Args:
        backbone: a name or a function, as for `build_classifier`; each unit gets a new
            one.
        input_shape, options: as for `build_classifier`.
        num_outputs: action units.

    Returns:
        a functional `keras.Model`, as of `build_classifier`; the embedding is that of
        all networks in a row, and there is no `feature_map`.

    >>> build_separate_classifiers("compact", (48, 48, 3), 2).output["logits"].shape[-1]
    2
    """
    images = keras.Input(input_shape, dtype="float32", name="image")
    parts = []
    for m in range(num_outputs):
        one = build_classifier(
            backbone, input_shape, 1, activation="sigmoid", **options
        )
        part = keras.Model(one.input, one.output, name=f"classifier_{m}")
        parts.append(part(images))
    outputs = {
        name: keras.layers.Concatenate(dtype="float32", name=name)(
            [part[name] for part in parts]
        )
        for name in ("embedding", "logits", "probs")
    }
    return keras.Model(images, outputs, name="separate_classifiers")


def _backbone(backbone, input_shape):
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
