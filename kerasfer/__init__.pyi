from . import action_units as action_units
from . import analysis as analysis
from . import augment as augment
from . import backbones as backbones
from . import callbacks as callbacks
from . import classifiers as classifiers
from . import data as data
from . import deploy as deploy
from . import doctor as doctor
from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import omni as omni
from . import plug_ins as plug_ins
from . import schedules as schedules
from . import schemes as schemes
from . import targets as targets
from . import training as training
from . import vision as vision
from .classifiers import build_classifier as build_classifier
from .classifiers import build_patch_classifier as build_patch_classifier
from .classifiers import build_region_classifier as build_region_classifier
from .classifiers import build_separate_classifiers as build_separate_classifiers
from .deploy.predictor import Predictor as Predictor
from .deploy.predictor import load as load

__version__: str
