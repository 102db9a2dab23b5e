"""A program: loads exports as somebody without kerasfer would, and runs them.

    python fresh_process.py JOBS.json

Each job is {"format", "path", "inputs", "outputs"}: `inputs` is an .npz of `images`,
uint8 (n, height, width, channels), and of `encoded_<i>`, the bytes of files; `outputs`
is an .npz to write, named `<signature>/<output>`.
"""

import json
import os
import sys

# The folder of this program, whose modules would hide others of their names.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(__file__)]


def main():
    """The program: see the top of this file."""
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    if all(job["format"] != "keras" for job in jobs):
        # As if it were not installed: an import of it fails.
        sys.modules["kerasfer"] = None
    import numpy as np

    for job in jobs:
        inputs = dict(np.load(job["inputs"]))
        images = inputs.pop("images")
        encoded = [inputs[name].tobytes() for name in sorted(inputs)]
        found = _RUN[job["format"]](job["path"], images, encoded)
        np.savez(job["outputs"], **{n: _plain(v) for n, v in found.items()})


def _plain(values):
    """An array that a file holds without pickling: texts are objects in TensorFlow."""
    if values.dtype != object:
        return values
    import numpy as np

    return np.char.decode(values.astype("S"), "utf8")


def _saved_model(path, images, encoded):
    import tensorflow as tf

    signatures = tf.saved_model.load(path).signatures
    results = {
        "images": signatures["images"](images=tf.constant(images)),
        "embeddings": signatures["embeddings"](images=tf.constant(images)),
        "fixed_size": signatures["fixed_size"](images=tf.constant(images)),
    }
    if encoded:
        of_bytes = signatures["serving_default"]
        results["serving_default"] = of_bytes(image_bytes=tf.constant(encoded))
    return {
        f"{signature}/{name}": value.numpy()
        for signature, outputs in results.items()
        for name, value in outputs.items()
    }


def _onnx(path, images, encoded):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {"images": images})
    return {f"images/{n}": v for n, v in zip(names, values, strict=True)}


def _litert(path, images, encoded):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow.lite import Interpreter

    runner = Interpreter(path).get_signature_runner()
    return {f"images/{n}": v for n, v in runner(images=images).items()}


def _keras(path, images, encoded):
    import kerasfer

    running = kerasfer.load(path).running
    found = {**running.predict(images), "embedding": running.embed(images)}
    return {f"images/{n}": v for n, v in found.items()}


_RUN = {
    "saved_model": _saved_model,
    "onnx": _onnx,
    "litert": _litert,
    "keras": _keras,
}

if __name__ == "__main__":
    main()
