"""Semi-supervised facial expression and action unit recognition in Keras.

Submodules load on first use, so that `import kerasfer` costs nothing and a recipe can
answer `--help` without TensorFlow:

>>> import kerasfer
>>> classifier = kerasfer.build_classifier("compact", (48, 48, 3), num_classes=8)
"""

import importlib

__version__ = "0.1.0"

_SUBMODULES = (
    "action_units",
    "augment",
    "backbones",
    "callbacks",
    "classifiers",
    "data",
    "distillation",
    "faces",
    "layers",
    "losses",
    "metrics",
    "mixup",
    "omni",
    "plug_ins",
    "pseudo_labels",
    "schedules",
    "schemes",
    "study",
)
__all__ = ["build_classifier", "build_separate_classifiers", *_SUBMODULES]


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"kerasfer.{name}")
    if name.startswith("build_") and name in __all__:
        return getattr(importlib.import_module("kerasfer.classifiers"), name)
    raise AttributeError(f"module 'kerasfer' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
