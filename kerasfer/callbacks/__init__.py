"""Callbacks for `model.fit`: work at the end of an epoch, files, warnings, pictures."""

from kerasfer.callbacks.diagnosis import Diagnosis, TrainingWarning
from kerasfer.callbacks.epoch_update import EpochUpdate
from kerasfer.callbacks.non_finite import StopOnNonFiniteLoss
from kerasfer.callbacks.pseudo_label_audit import PseudoLabelAudit
from kerasfer.callbacks.save_weights import SaveWeights
from kerasfer.callbacks.tensorboard import TensorBoardPictures

__all__ = [
    "Diagnosis",
    "EpochUpdate",
    "PseudoLabelAudit",
    "SaveWeights",
    "StopOnNonFiniteLoss",
    "TensorBoardPictures",
    "TrainingWarning",
]
