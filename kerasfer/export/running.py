"""Runs an export: uint8 faces of its size to outputs by name."""

import numpy as np
import tensorflow as tf

from kerasfer.export.graph import named_outputs


def _saved_model(path, description):
    signatures = tf.saved_model.load(str(path)).signatures
    both = [signatures["images"], signatures["embeddings"]]

    def run(images):
        images, found = tf.constant(images), {}
        for signature in both:
            found.update(signature(images=images))
        return {
            name: value.numpy()
            for name, value in found.items()
            if value.dtype != tf.string
        }

    return run


def _onnx(path, description):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(images):
        return dict(zip(names, session.run(names, {"images": images}), strict=True))

    return run


def _litert(path, description):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # TensorFlow's own, which later versions will not have
        Interpreter = tf.lite.Interpreter
    runner = Interpreter(str(path)).get_signature_runner()

    def run(images):
        return runner(images=images)

    return run


def _keras(path, description):
    import keras

    import kerasfer.layers  # noqa: F401 (registers them)

    classifier = keras.models.load_model(path, compile=False)
    outputs = tf.function(named_outputs(classifier, description), reduce_retracing=True)

    def run(images):
        found = outputs(tf.constant(images))
        return {name: np.asarray(value) for name, value in found.items()}

    return run


RUNNERS = {
    "saved_model": _saved_model,
    "onnx": _onnx,
    "litert": _litert,
    "keras": _keras,
}
"""Format -> (path, `Description`) -> function, uint8 (n, *image_shape) -> dict."""
