"""Runs an export: uint8 faces of its size to outputs by name."""

import typing
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kerasfer.deploy.export.graph import named_outputs
from kerasfer.optional import require


class Running(typing.NamedTuple):
    """A loaded export. Both take uint8 (n, *image_shape) and give NumPy arrays."""

    predict: Callable
    """Dict of "probs" (n, classes) and, for action units, "decisions"."""
    embed: Callable
    """(n, width)."""


def _saved_model(path, description):
    loaded = tf.saved_model.load(str(path))

    def predict(images):
        found = loaded.signatures["images"](images=tf.constant(images))
        return {k: v.numpy() for k, v in found.items() if v.dtype != tf.string}

    def embed(images):
        found = loaded.signatures["embeddings"](images=tf.constant(images))
        return found["embedding"].numpy()

    return Running(predict, embed)


def _onnx(path, description):
    onnxruntime = require("onnxruntime", "ONNX", "-r requirements-export.txt")
    session = onnxruntime.InferenceSession(
        str(path),
        providers=["CPUExecutionProvider"],
        # An export has nothing to fold, and what somebody else's has may be huge.
        disabled_optimizers=["ConstantFolding"],
    )
    names = [o.name for o in session.get_outputs() if o.name != "embedding"]

    def predict(images):
        values = session.run(names, {"images": images})
        return dict(zip(names, values, strict=True))

    def embed(images):
        return session.run(["embedding"], {"images": images})[0]

    return Running(predict, embed)


def _litert(path, description):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # TensorFlow's own, which later versions will not have
        Interpreter = tf.lite.Interpreter
    runner = Interpreter(str(path)).get_signature_runner()
    return _of_all(lambda images: runner(images=images))


def _keras(path, description):
    import keras

    import kerasfer.layers  # noqa: F401 (registers them)

    classifier = keras.models.load_model(path, compile=False)
    outputs = tf.function(named_outputs(classifier, description), reduce_retracing=True)
    return _of_all(lambda images: outputs(tf.constant(images)))


def _of_all(run):
    """Of a function that computes all outputs at once."""

    def predict(images):
        found = run(images)
        return {k: np.asarray(v) for k, v in found.items() if k != "embedding"}

    return Running(predict, lambda images: np.asarray(run(images)["embedding"]))


RUNNERS = {
    "saved_model": _saved_model,
    "onnx": _onnx,
    "litert": _litert,
    "keras": _keras,
}
"""Format -> function of a path and a `Description`, which gives a `Running`."""
