"""Backbones: normalised images to a feature map, by name.

`build_classifier` accepts these names, or any Keras model.
"""

from kerasfer.backbones.compact import compact
from kerasfer.backbones.wide_resnet import wide_resnet_28_2

BACKBONES = {"compact": compact, "wide_resnet_28_2": wide_resnet_28_2}

__all__ = ["BACKBONES", "compact", "wide_resnet_28_2"]
