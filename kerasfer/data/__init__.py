"""From a manifest of face images to the batches of a training step.

manifest.csv -> read_manifest -> protocols.split -> training_dataset -> model.fit

Names load on first use: processes that only make batches (`workers`) start without
TensorFlow.
"""

import importlib

_SUBMODULES = ("protocols", "synthetic")
_FROM = {
    "Manifest": "manifest",
    "concatenate": "manifest",
    "distributed_training_dataset": "distributed",
    "evaluation_dataset": "pipeline",
    "folds": "folding",
    "for_action_units": "manifest",
    "from_arrays": "manifest",
    "is_folded": "folding",
    "load_split": "split_file",
    "read_manifest": "manifest_file",
    "save_split": "split_file",
    "check_split": "split_file",
    "training_dataset": "pipeline",
    "with_distilled": "distilled",
}
__all__ = sorted([*_FROM, *_SUBMODULES])


def __getattr__(name):
    if name in _FROM:
        return getattr(importlib.import_module(f"kerasfer.data.{_FROM[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"kerasfer.data.{name}")
    raise AttributeError(f"module 'kerasfer.data' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
