"""Callbacks for `model.fit`: work at the end of an epoch, files, warnings, figures."""

from kerasfer.callbacks.diagnosis import Diagnosis, TrainingWarning
from kerasfer.callbacks.pseudo_label_audit import PseudoLabelAudit
from kerasfer.callbacks.save_weights import SaveWeights
from kerasfer.callbacks.tensorboard import TensorBoardFigures
from kerasfer.training.epoch_update import EpochUpdate
from kerasfer.training.non_finite import StopOnNonFiniteLoss

__all__ = [
    "Diagnosis",
    "EpochUpdate",
    "PseudoLabelAudit",
    "SaveWeights",
    "StopOnNonFiniteLoss",
    "TensorBoardFigures",
    "TrainingWarning",
]
