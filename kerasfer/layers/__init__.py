"""Layers with a named state and one update rule each, and normalisation."""

from kerasfer.layers.batch_normalization import BatchNormalization
from kerasfer.layers.centroids import ClassCentroids, class_sums
from kerasfer.layers.class_margin import MARGIN_LOSSES, ClassMargin
from kerasfer.layers.confidence_margin import ConfidenceMargin
from kerasfer.layers.label_memory import LabelMemory
from kerasfer.layers.normalization import NORMALIZATIONS, ImageNormalization, UnitLength
from kerasfer.layers.padded_sum import PaddedSum
from kerasfer.layers.patch_gates import PatchGates
from kerasfer.layers.prototype_head import PrototypeHead
from kerasfer.layers.regions import RegionAttention, Regions
from kerasfer.layers.resizing import ImageResizing

__all__ = [
    "MARGIN_LOSSES",
    "NORMALIZATIONS",
    "BatchNormalization",
    "ClassCentroids",
    "ClassMargin",
    "ConfidenceMargin",
    "ImageNormalization",
    "ImageResizing",
    "LabelMemory",
    "PaddedSum",
    "PatchGates",
    "PrototypeHead",
    "RegionAttention",
    "Regions",
    "UnitLength",
    "class_sums",
]
