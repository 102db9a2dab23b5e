"""Training schemes: `keras.Model`s that learn from labelled and unlabelled faces."""

from kerasfer.plug_ins.base import PlugIn
from kerasfer.plug_ins.remop import ReMoP
from kerasfer.schemes.ada_cm import AdaCM
from kerasfer.schemes.base import SemiSupervisedModel
from kerasfer.schemes.fixmatch import FixMatch
from kerasfer.schemes.margin_mix import MarginMix
from kerasfer.schemes.step import Pseudo, Step
from kerasfer.schemes.supervised import Supervised

__all__ = [
    "AdaCM",
    "FixMatch",
    "MarginMix",
    "PlugIn",
    "Pseudo",
    "ReMoP",
    "SemiSupervisedModel",
    "Step",
    "Supervised",
]
