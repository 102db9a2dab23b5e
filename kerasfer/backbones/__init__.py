"""Backbones: normalised images to a feature map, by name.

`build_classifier` accepts these names, or any Keras model.
"""

from kerasfer.backbones.alexnet import alexnet
from kerasfer.backbones.compact import compact
from kerasfer.backbones.dlib_resnet import dlib_resnet, load_dlib
from kerasfer.backbones.pretrained import load_pytorch
from kerasfer.backbones.pytorch_file import read_state_dict
from kerasfer.backbones.resnet import resnet18, resnet34
from kerasfer.backbones.statistics import estimate_statistics
from kerasfer.backbones.vgg import vgg16
from kerasfer.backbones.wide_resnet import wide_resnet_28_2

BACKBONES = {
    "compact": compact,
    "wide_resnet_28_2": wide_resnet_28_2,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "alexnet": alexnet,
    "vgg16": vgg16,
    "dlib_resnet": dlib_resnet,
}

__all__ = [
    "BACKBONES",
    "alexnet",
    "compact",
    "dlib_resnet",
    "estimate_statistics",
    "load_dlib",
    "load_pytorch",
    "read_state_dict",
    "resnet18",
    "resnet34",
    "vgg16",
    "wide_resnet_28_2",
]
