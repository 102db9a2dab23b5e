"""The four formats of an export: how each is written, and where it is described."""

import pathlib
import tempfile
import zipfile

import tensorflow as tf

from kerasfer.deploy.export.graph import ServedModel, named_outputs
from kerasfer.deploy.export.precision import in_float32
from kerasfer.frozen import frozen
from kerasfer.optional import require

DESCRIPTION = "kerasfer.json"

FILES = {
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "litert": "model.tflite",
    "keras": "classifier.keras",
}
"""Format -> name of its file, or folder, in an export."""

_ONNX_OPSET = 17
_MOST_BYTES = 2**31  # of a graph with its constants, a limit of protocol buffers


def write(form, classifier, description, folder):
    """Writes one format into a folder that is there.

    Args:
        form: a key of `FILES`.
        classifier: a Keras model.
        description: a `Description`.
        folder: path.

    Returns:
        path of what was written.

    Raises:
        ImportError: the format needs a package that is not installed.
        ValueError: a classifier too large for a graph of constants.
    """
    size = 4 * classifier.count_params()
    if form != "keras" and size >= _MOST_BYTES:
        raise ValueError(
            f"The classifier has {size / 2**30:.1f} GiB of weights; a graph holds less "
            "than 2. Export it as keras."
        )
    path = pathlib.Path(folder) / FILES[form]
    _WRITERS[form](classifier, description, path)
    return path


def _write_saved_model(classifier, description, path):
    model = ServedModel(classifier, description)
    _save_graph(model, path, model.entry_points)
    # TensorFlow's place for files that the graph does not read.
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / DESCRIPTION).write_text(description.to_json())


def _write_onnx(classifier, description, path):
    onnx, tf2onnx = (
        require(name, "ONNX", "-r requirements-export.txt")
        for name in ("onnx", "tf2onnx")
    )
    function, signature = _native(classifier, description)
    model, _ = tf2onnx.convert.from_function(
        function, input_signature=[signature], opset=_ONNX_OPSET
    )
    onnx.helper.set_model_props(model, {DESCRIPTION: description.to_json()})
    onnx.save(model, str(path))


def _write_litert(classifier, description, path):
    owner = tf.Module()
    owner.of_images, _ = _native(classifier, description)
    with tempfile.TemporaryDirectory() as folder:
        _save_graph(owner, folder, owner.of_images)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        path.write_bytes(converter.convert())
    _append(path, description)


def _write_keras(classifier, description, path):
    classifier.save(path)
    _append(path, description)


def _save_graph(module, path, signatures):
    # Gradients of their own (swish has one) hold tensors that a frozen graph has not.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(path), signatures, options)


def _native(classifier, description):
    """uint8 images of the classifier's size, for what has no dynamic shapes."""
    shape = (None, *description.image_shape)
    outputs = named_outputs(in_float32(classifier), description)
    constant = frozen(outputs, tf.TensorSpec(shape, tf.float32, "images"))
    signature = tf.TensorSpec(shape, tf.uint8, "images")

    def of_images(images):
        return constant(tf.cast(images, tf.float32))

    return tf.function(of_images, input_signature=[signature]), signature


def _append(path, description):
    # A .keras file is a zip; TensorFlow Lite's own metadata are a zip behind a model.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(DESCRIPTION, description.to_json())


_WRITERS = {
    "saved_model": _write_saved_model,
    "onnx": _write_onnx,
    "litert": _write_litert,
    "keras": _write_keras,
}
