"""The plain classifier: backbone, average over places, one dense layer."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasfer.classifiers.parts import (
    checked,
    classified,
    features_of,
    normalized_images,
    prepared_backbone,
)
from kerasfer.types import Classifier


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
    resize_to: Sequence[int] | None = None,
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
            "wide_resnet_28_2", "resnet18", "resnet34", "alexnet", "base_dcnn",
            "inception", "vgg16", "dlib_resnet"); "keras:" and a name in
            `keras.applications`; a function of `input_shape` that builds a Keras model;
            or such a model, from normalised images to a feature map (batch, h, w,
            width) or to pooled features (batch, width), also of a class of its own,
            where Keras can copy that (`get_config`).
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
        resize_to: (height, width) that the backbone sees. The model then resizes its
            images, bilinearly, on its device: 48-pixel faces for a network of 112 are
            decoded, augmented and moved at 48 pixels. Not smaller than `input_shape`;
            None is its size.

    Returns:
        a functional `keras.Model`.

    Raises:
        ValueError: an unknown backbone, normalisation or activation, a backbone
            whose output is neither a map nor a vector, one that Keras cannot copy, or
            `weight_penalty` or `synchronized_batch_norm` for one whose layers are
            hidden in a class of its own, or `resize_to` is smaller than the images.

    >>> classifier = build_classifier("compact", (48, 48, 3), num_classes=8)
    >>> classifier(tf.zeros((2, 48, 48, 3), tf.uint8))["probs"].shape
    TensorShape([2, 8])
    """
    images, x = normalized_images(input_shape, normalization, resize_to)
    seen = tuple(x.shape[1:])
    network = prepared_backbone(
        backbone, seen, normalization, weight_penalty, synchronized_batch_norm
    )
    x = features_of(network, x)
    if len(x.shape) == 4:
        x = keras.layers.Activation("linear", name="feature_map")(x)
        x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    outputs = classified(
        x, num_classes, dropout, activation, unit_embedding, weight_penalty
    )
    return checked(images, outputs, "classifier", backbone)
