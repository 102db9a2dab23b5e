"""Semi-supervised facial expression and action unit recognition in Keras.

Submodules load on first use, so that `import kerasfer` costs nothing and a recipe can
answer `--help` without TensorFlow:

>>> import kerasfer
>>> classifier = kerasfer.build_classifier("compact", (48, 48, 3), num_classes=8)
"""

import importlib
import sys

__version__ = "0.1.0"

_SUBMODULES = (
    "action_units",
    "alignment",
    "augment",
    "backbones",
    "calibration",
    "callbacks",
    "checkpoints",
    "classifiers",
    "data",
    "detection",
    "distillation",
    "doctor",
    "export",
    "faces",
    "figures",
    "inspection",
    "layers",
    "licences",
    "losses",
    "metrics",
    "mixup",
    "omni",
    "plug_ins",
    "predictor",
    "pseudo_labels",
    "safe_loading",
    "schedules",
    "schemes",
    "study",
)
_FUNCTIONS = {
    "Predictor": "predictor",
    "build_classifier": "classifiers",
    "build_separate_classifiers": "classifiers",
    "load": "predictor",
}
__all__ = [*_FUNCTIONS, *_SUBMODULES]


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"kerasfer.{name}")
    if name in _FUNCTIONS:
        module = importlib.import_module(f"kerasfer.{_FUNCTIONS[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'kerasfer' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])


# What a saved classifier names is registered with Keras when it is imported. Where
# Keras is loaded that costs nothing: `import keras, kerasfer`, then `load_model`.
if "keras" in sys.modules:
    for _name in ("layers", "metrics"):
        importlib.import_module(f"kerasfer.{_name}")
