"""Backbones by name, with what each expects."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasfer.backbones.alexnet import alexnet
from kerasfer.backbones.base_dcnn import base_dcnn
from kerasfer.backbones.compact import compact
from kerasfer.backbones.dlib_resnet import dlib_resnet
from kerasfer.backbones.inception import inception
from kerasfer.backbones.resnet import resnet18, resnet34
from kerasfer.backbones.vgg import vgg16
from kerasfer.backbones.wide_resnet import wide_resnet_28_2
from kerasfer.types import Classifier

_KERAS = "keras:"


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network from normalised images to features, and what it expects.

    Attributes:
        build: (height, width, channels) -> functional `keras.Model`.
        normalization: of the pixels, see `kerasfer.layers.ImageNormalization`.
        least_side: in pixels.
        weights: whose `kerasfer train --backbone-weights` can load into it, beside a
            .weights.h5 file: "pytorch", "dlib", "keras" or "".
    """

    build: Callable[..., Any]
    normalization: str = "per_plane"
    least_side: int = 32
    weights: str = ""

    def __call__(self, input_shape: Sequence[int], **options: Any) -> Classifier:
        return self.build(input_shape, **options)


BACKBONES = {
    "compact": Backbone(compact, least_side=16),
    "wide_resnet_28_2": Backbone(wide_resnet_28_2, least_side=8),
    "resnet18": Backbone(resnet18, "imagenet", weights="pytorch"),
    "resnet34": Backbone(resnet34, "imagenet", weights="pytorch"),
    "alexnet": Backbone(alexnet, least_side=63),
    "base_dcnn": Backbone(base_dcnn, least_side=16),
    "inception": Backbone(inception),
    "vgg16": Backbone(vgg16, "vgg_face", weights="pytorch"),
    "dlib_resnet": Backbone(dlib_resnet, "dlib", least_side=48, weights="dlib"),
}
# Beginning of a name in keras.applications -> how its weights want pixels. The longest
# one that fits counts; "none" are networks that scale inside.
_OF_KERAS = {
    "ConvNeXt": "none",
    "DenseNet": "imagenet",
    "EfficientNet": "none",
    "Inception": "unit",
    "MobileNet": "unit",
    "MobileNetV3": "none",
    "NASNet": "unit",
    "RegNet": "none",
    "ResNet": "caffe",
    "ResNet50V2": "unit",
    "ResNet101V2": "unit",
    "ResNet152V2": "unit",
    "ResNetRS": "none",
    "VGG": "caffe",
    "Xception": "unit",
}


def backbone_by_name(name: str) -> Backbone:
    """A backbone, with what it expects.

    Args:
        name: in `BACKBONES`, or "keras:" and a name in `keras.applications`, such as
            "keras:EfficientNetB0". The latter is built with `weights=None`, or as it is
            called with: `weights="imagenet"`, which downloads, or a path.

    Raises:
        ValueError: there is none of that name.

    >>> backbone_by_name("keras:MobileNetV2").normalization
    'unit'
    """
    if name in BACKBONES:
        return BACKBONES[name]
    model = name.removeprefix(_KERAS)
    fitting = [start for start in _OF_KERAS if model.startswith(start)]
    function = getattr(keras.applications, model, None)
    if not name.startswith(_KERAS) or not fitting or not callable(function):
        raise ValueError(
            f"Unknown backbone {name!r}. Expected one of {', '.join(BACKBONES)}; keras:"
            "NAME with a name in keras.applications, such as keras:EfficientNetB0; or "
            "a Keras model."
        )
    return Backbone(
        functools.partial(_of_keras, function),
        _OF_KERAS[max(fitting, key=len)],
        weights="keras",
    )


def _of_keras(function, input_shape, weights=None):
    return function(include_top=False, weights=weights, input_shape=tuple(input_shape))
