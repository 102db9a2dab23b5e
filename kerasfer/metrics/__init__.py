"""Metrics that hold counts and divide at the end: exact for any batch size."""

from kerasfer.metrics.action_units import PerAUF1, fitted_thresholds, rarely_present
from kerasfer.metrics.counting import result_names
from kerasfer.metrics.expressions import (
    ConfusionMatrix,
    MacroF1,
    MeanClassAccuracy,
    PredictionScores,
    UnloggedConfusionMatrix,
)
from kerasfer.metrics.on_classes import all_on_classes, on_classes
from kerasfer.metrics.pseudo_labels import PseudoLabelQuality, confidence_edges

__all__ = [
    "ConfusionMatrix",
    "MacroF1",
    "MeanClassAccuracy",
    "PerAUF1",
    "PredictionScores",
    "PseudoLabelQuality",
    "UnloggedConfusionMatrix",
    "all_on_classes",
    "confidence_edges",
    "fitted_thresholds",
    "on_classes",
    "rarely_present",
    "result_names",
]
