"""A .keras file: a zip of a config in JSON and of weights in HDF5."""

import json

from kerasfer.deploy.safe_loading.archives import checked_zip
from kerasfer.deploy.safe_loading.refusal import (
    DESCRIPTION,
    check_size,
    described,
    refuse,
)

_MEMBERS = {"config.json", "metadata.json", "model.weights.h5", DESCRIPTION}

# Keras' own layers that run code, or read a file, which a config names.
_REFUSED = {
    "FlaxLayer",
    "IndexLookup",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
    "__lambda__",
    "function",
}
_PACKAGES = ("keras", "kerasfer")
_DEEPEST = 200


def check_keras(path, most_bytes):
    """See `kerasfer.deploy.safe_loading.check_model`.

    Built are layers of Keras, of kerasfer, and those that the program itself has
    registered (`keras.saving.register_keras_serializable`): a file cannot name any
    other module or function.
    """
    check_size(path, most_bytes)
    with checked_zip(path, _MEMBERS.__contains__, most_bytes) as archive:
        missing = _MEMBERS - {DESCRIPTION} - set(archive.namelist())
        if missing:
            refuse(path, f"{', '.join(sorted(missing))} is missing in it.")
        try:
            config = json.loads(archive.read("config.json"))
        except (ValueError, RecursionError) as error:
            refuse(path, f"its config.json is not JSON ({error}).")
        _check_config(path, config, 0)
        with archive.open("model.weights.h5") as weights:
            _check_weights(path, weights, most_bytes)
        return described(archive)


def _check_config(path, config, depth):
    if depth > _DEEPEST:
        refuse(path, "its config.json is nested without end.")
    if isinstance(config, dict):
        if "class_name" in config:
            _check_class(path, config)
        config = config.values()
    if not isinstance(config, str) and hasattr(config, "__iter__"):
        for value in config:
            _check_config(path, value, depth + 1)


def _check_class(path, config):
    name, module = str(config["class_name"]), config.get("module")
    registered = config.get("registered_name")
    if name in _REFUSED or str(registered).rpartition(">")[2] in _REFUSED:
        refuse(path, f"{name} runs code, or reads files, that the file names.")
    package = str(module).partition(".")[0]
    if module is None or package in _PACKAGES or _is_known(registered):
        return
    refuse(
        path,
        f"it asks for {name} of the module {module}. If you trust it, import that "
        "layer and register it: keras.saving.register_keras_serializable.",
    )


def _is_known(registered):
    import keras

    return bool(registered) and (
        keras.saving.get_registered_object(registered) is not None
    )


def _check_weights(path, file, most_bytes):
    import h5py

    total = 0

    def visit(group):
        nonlocal total
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                refuse(path, f"its weights link to somewhere else ({name}).")
            item = group[name]
            if isinstance(item, h5py.Group):
                visit(item)
                continue
            if item.external or item.is_virtual:
                refuse(path, f"its weights lie in another file ({item.name}).")
            total += item.size * item.dtype.itemsize
            if total > most_bytes:
                refuse(path, f"its weights are larger than {most_bytes} bytes.")

    try:
        with h5py.File(file, "r") as content:
            visit(content)
    except (OSError, RecursionError, KeyError, RuntimeError) as error:
        refuse(path, f"its weights are not a whole HDF5 file ({error}).")
