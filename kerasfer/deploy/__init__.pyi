from . import calibration as calibration
from . import export as export
from . import safe_loading as safe_loading
from .predictor import Predictor as Predictor
from .predictor import load as load
