"""Classifiers: functional models, image to embedding, logits and probabilities."""

from kerasfer.classifiers.patch_gated import build_patch_classifier
from kerasfer.classifiers.pooled import build_classifier
from kerasfer.classifiers.region import build_region_classifier
from kerasfer.classifiers.separate import build_separate_classifiers

__all__ = [
    "build_classifier",
    "build_patch_classifier",
    "build_region_classifier",
    "build_separate_classifiers",
]
