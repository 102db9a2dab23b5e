"""A .keras file: a zip of a config in JSON and of weights in HDF5."""

import json
import math

from kerasfer.deploy.safe_loading.archives import checked_zip
from kerasfer.deploy.safe_loading.keras_names import BUILT, VALUES
from kerasfer.deploy.safe_loading.refusal import (
    DESCRIPTION,
    UnsafeModelError,
    check_size,
    described,
    refuse,
)

_MEMBERS = {"config.json", "metadata.json", "model.weights.h5", DESCRIPTION}

_MOST_TEXT = 2**24  # bytes of a member of JSON
_SMALL = 16  # elements of a variable that is not stored: a seed, a counter
_DEEPEST = 200


def check_keras(path, most_bytes):
    """See `kerasfer.deploy.safe_loading.check_model`.

    Built are the layers of Keras in `keras_names`, those of kerasfer, and classes that
    the program itself has registered (`keras.saving.register_keras_serializable`): a
    file cannot name another module, or any function. What would be built is counted
    before a weight of it exists, and must not be larger than what is stored.
    """
    check_size(path, most_bytes)
    with checked_zip(path, _MEMBERS.__contains__, most_bytes) as archive:
        missing = _MEMBERS - {DESCRIPTION} - set(archive.namelist())
        if missing:
            refuse(path, f"{', '.join(sorted(missing))} is missing in it.")
        for member in archive.infolist():
            is_text = member.filename != "model.weights.h5"
            if is_text and member.file_size > _MOST_TEXT:
                refuse(
                    path, f"its {member.filename} is larger than {_MOST_TEXT} bytes."
                )
        try:
            config = json.loads(archive.read("config.json"))
        except (ValueError, RecursionError) as error:
            refuse(path, f"its config.json is not JSON ({error}).")
        if not isinstance(config, dict) or "class_name" not in config:
            refuse(path, "its config.json describes no model.")
        config.pop("compile_config", None)  # never read: nothing is compiled
        _check_config(path, config, 0)
        with archive.open("model.weights.h5") as weights:
            stored = _stored_elements(path, weights, most_bytes)
        _check_sizes(path, config, stored)
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
    if module is None and name in VALUES:
        return
    own = _registered(registered)
    if own is not None:  # Keras takes it, whatever the module says
        # For a "function" it would look up the module after all.
        if _is_part_of_layers(own) and name == registered.rpartition(">")[2]:
            return
    elif isinstance(module, str) and name in BUILT.get(module, ()):
        return
    refuse(
        path,
        f"it asks for {name} of the module {module}, which is none of the layers that "
        "just compute. If you trust it, import its class and register it: "
        "keras.saving.register_keras_serializable.",
    )


def _registered(name):
    """What the program has registered under a name, or None."""
    import keras

    import kerasfer.layers  # noqa: F401 (registers them)

    return keras.saving.get_registered_object(name) if isinstance(name, str) else None


def _is_part_of_layers(found):
    """Whether it is a class of layers, or of what layers are made of; a function would
    be called."""
    import keras

    kinds = (
        keras.layers.Layer,
        keras.initializers.Initializer,
        keras.regularizers.Regularizer,
        keras.constraints.Constraint,
    )
    return isinstance(found, type) and issubclass(found, kinds)


def _check_sizes(path, config, stored):
    """In a graph of its own a variable is a name: its memory is never asked for."""
    import keras
    import tensorflow as tf

    try:
        with tf.Graph().as_default():
            model = keras.saving.deserialize_keras_object(config)
            variables = model.variables
    except Exception as error:  # whatever a config of somebody else makes Keras do
        refuse(path, f"Keras builds no model of its config.json ({error!r:.300}).")
    sizes = [math.prod(variable.shape) for variable in variables]
    asked = sum(size for size in sizes if size > _SMALL)
    if asked > stored:
        refuse(path, f"it asks for {asked} parameters and holds {stored}.")


def _stored_elements(path, file, most_bytes):
    """How many numbers its arrays hold."""
    import h5py

    elements, total, seen = 0, 0, set()

    def visit(group):
        nonlocal elements, total
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                refuse(path, f"its weights link to somewhere else ({name}).")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:  # links make a tree of any size out of a few objects
                refuse(path, f"its weights hold {item.name} twice.")
            seen.add(address)
            if isinstance(item, h5py.Group):
                visit(item)
                continue
            if not isinstance(item, h5py.Dataset) or item.shape is None:
                refuse(path, f"its weights hold something else than arrays ({name}).")
            if item.external or item.is_virtual:
                refuse(path, f"its weights lie in another file ({item.name}).")
            elements += item.size
            total += item.size * item.dtype.itemsize
            if total > most_bytes:
                refuse(path, f"its weights are larger than {most_bytes} bytes.")

    try:
        with h5py.File(file, "r") as content:
            visit(content)
    except (OSError, RecursionError, KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, UnsafeModelError):
            raise
        refuse(path, f"its weights are not a whole HDF5 file ({error}).")
    return elements
