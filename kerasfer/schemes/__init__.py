"""Training schemes: `keras.Model`s that learn from labelled and unlabelled faces."""

from kerasfer.schemes.ada_cm import AdaCM
from kerasfer.schemes.cpe import CPE
from kerasfer.schemes.defixmatch import DeFixMatch
from kerasfer.schemes.ecan import ECAN
from kerasfer.schemes.face_mix import FaceMix
from kerasfer.schemes.fixmatch import FixMatch
from kerasfer.schemes.flexmatch import FlexMatch
from kerasfer.schemes.freematch import FreeMatch
from kerasfer.schemes.large_margin import LargeMargin
from kerasfer.schemes.margin_mix import MarginMix
from kerasfer.schemes.mean_teacher import MeanTeacher
from kerasfer.schemes.mek import MEK
from kerasfer.schemes.mixmatch import MixMatch
from kerasfer.schemes.progressive_teacher import ProgressiveTeacher
from kerasfer.schemes.pseudo_emotion import PseudoEmotion
from kerasfer.schemes.pseudo_label import PseudoLabel
from kerasfer.schemes.remixmatch import ReMixMatch
from kerasfer.schemes.rul import RUL
from kerasfer.schemes.simsiam import SimSiam
from kerasfer.schemes.softmatch import SoftMatch
from kerasfer.schemes.supervised import Supervised
from kerasfer.schemes.uda import UDA

__all__ = [
    "CPE",
    "ECAN",
    "MEK",
    "RUL",
    "UDA",
    "AdaCM",
    "DeFixMatch",
    "FaceMix",
    "FixMatch",
    "FlexMatch",
    "FreeMatch",
    "LargeMargin",
    "MarginMix",
    "MeanTeacher",
    "MixMatch",
    "ProgressiveTeacher",
    "PseudoEmotion",
    "PseudoLabel",
    "ReMixMatch",
    "SimSiam",
    "SoftMatch",
    "Supervised",
]
