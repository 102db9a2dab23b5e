"""Backbones: normalised images to a feature map, by name, and what each expects.

`build_classifier` accepts these names, those of `keras.applications`, or any Keras
model.
"""

from kerasfer.backbones.alexnet import alexnet
from kerasfer.backbones.base_dcnn import base_dcnn
from kerasfer.backbones.compact import compact
from kerasfer.backbones.dlib_resnet import dlib_resnet, load_dlib
from kerasfer.backbones.freezing import freeze, layers_with_weights
from kerasfer.backbones.inception import inception
from kerasfer.backbones.pretrained import load_pytorch
from kerasfer.backbones.pytorch_file import read_state_dict
from kerasfer.backbones.registry import BACKBONES, Backbone, backbone_by_name
from kerasfer.backbones.resnet import resnet18, resnet34
from kerasfer.backbones.statistics import estimate_statistics
from kerasfer.backbones.vgg import vgg16
from kerasfer.backbones.wide_resnet import wide_resnet_28_2

__all__ = [
    "BACKBONES",
    "Backbone",
    "alexnet",
    "backbone_by_name",
    "base_dcnn",
    "compact",
    "dlib_resnet",
    "estimate_statistics",
    "freeze",
    "inception",
    "layers_with_weights",
    "load_dlib",
    "load_pytorch",
    "read_state_dict",
    "resnet18",
    "resnet34",
    "vgg16",
    "wide_resnet_28_2",
]
