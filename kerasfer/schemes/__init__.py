"""Training schemes: `keras.Model`s that learn from labelled and unlabelled faces."""

from kerasfer.plug_ins.base import PlugIn
from kerasfer.schemes.base import Pseudo, SemiSupervisedModel, Step
from kerasfer.schemes.fixmatch import FixMatch
from kerasfer.schemes.margin_mix import MarginMix
from kerasfer.schemes.supervised import Supervised

__all__ = [
    "FixMatch",
    "MarginMix",
    "PlugIn",
    "Pseudo",
    "SemiSupervisedModel",
    "Step",
    "Supervised",
]
