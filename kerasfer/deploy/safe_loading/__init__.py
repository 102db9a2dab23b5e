"""Looks at a model file before anything in it is loaded.

A model is a program: a Keras file names classes to build, a graph names operations that
may write files. What comes from elsewhere is refused with a reason if it could do more
than compute, if it would not fit in memory, or if it is not whole.
"""

import pathlib

from kerasfer.deploy.safe_loading.keras_file import check_keras
from kerasfer.deploy.safe_loading.litert_file import check_litert
from kerasfer.deploy.safe_loading.onnx_file import check_onnx
from kerasfer.deploy.safe_loading.refusal import (
    MOST_BYTES,
    UnsafeModelError,
    damage_refused,
)
from kerasfer.deploy.safe_loading.saved_model import check_saved_model

__all__ = [
    "MOST_BYTES",
    "UnsafeModelError",
    "check_model",
    "damage_refused",
    "load_classifier",
]

_CHECKS = {
    "saved_model": check_saved_model,
    "onnx": check_onnx,
    "litert": check_litert,
    "keras": check_keras,
}


def check_model(form, path, most_bytes=MOST_BYTES):
    """Checks a model file, or a SavedModel's folder.

    Args:
        form: "saved_model", "onnx", "litert" or "keras".
        path: of the file or folder.
        most_bytes: of all files, and of what they unpack to.

    Returns:
        the description inside, as text (JSON); None for a file that is no export.

    Raises:
        UnsafeModelError: it is refused; with the reason.
    """
    return _CHECKS[form](pathlib.Path(path), most_bytes)


def load_classifier(path, most_bytes=MOST_BYTES):
    """A classifier of `classifier.save`, not compiled, checked before it is built.

    Args:
        path: of a .keras file; its layers are Keras' own, kerasfer's, or registered.
        most_bytes: as for `check_model`.

    Raises:
        UnsafeModelError: it is refused; with the reason.
    """
    import keras

    check_model("keras", path, most_bytes)
    with damage_refused(path):
        return keras.models.load_model(path, compile=False)
