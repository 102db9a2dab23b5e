"""A SavedModel: a folder with a graph, and a checkpoint of variables."""

import math
import re

from kerasfer.deploy.safe_loading.refusal import DESCRIPTION, check_size, refuse

# Operations that have an effect, yet none beyond the computation.
_CALLS = {
    "If",
    "PartitionedCall",
    "StatefulPartitionedCall",
    "TensorListConcatV2",
    "TensorListGetItem",
    "TensorListSetItem",
    "TensorListStack",
    "While",
}
# An argument of such a name reaches out of the computation: a file, an address, or a
# function of the host program.
_REACHES_OUT = re.compile(r"file|path|url|token|address|prefix", re.IGNORECASE)
# TensorFlow writes these into every SavedModel, to save and restore variables.
_SAVER = {"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"}


def check_saved_model(path, most_bytes):
    """See `kerasfer.deploy.safe_loading.check_model`.

    Loaded are graphs whose operations all just compute; an export of ours holds its
    weights as constants, so that not even variables are needed.
    """
    files = [file for file in path.rglob("*") if file.is_symlink() or file.is_file()]
    graph_file = path / "saved_model.pb"
    check_size(path, most_bytes, [graph_file, *files])
    text = path / "assets.extra" / DESCRIPTION
    meta_graphs = _read(path, graph_file).meta_graphs
    for meta_graph in meta_graphs:
        _check_graph(path, meta_graph)
        _check_constants(path, meta_graph, most_bytes)
    return text.read_text("utf8", "replace") if text.is_file() else None


def _read(path, file):
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString(file.read_bytes())
    except DecodeError as error:
        refuse(path, f"saved_model.pb is damaged or cut off ({error}).")
    if not saved.meta_graphs:
        refuse(path, "saved_model.pb holds no graph.")
    return saved


def _check_graph(path, meta_graph):
    if not meta_graph.HasField("object_graph_def"):
        refuse(path, "it is of TensorFlow 1, whose loading runs operations.")
    if meta_graph.asset_file_def:
        refuse(path, "its graph reads files (assets).")
    library = meta_graph.graph_def.library.function
    of_objects = set(meta_graph.object_graph_def.concrete_functions)
    for function in library:
        operations = {node.op for node in function.node_def}
        if operations & _SAVER and function.signature.name not in of_objects:
            _check_operations(path, operations - _SAVER)
        else:
            _check_operations(path, operations)
    _check_operations(path, {node.op for node in meta_graph.graph_def.node})


def _check_constants(path, meta_graph, most_bytes):
    """A value that is repeated is a few bytes in the file, whatever its size."""
    from tensorflow import dtypes

    graph, total = meta_graph.graph_def, 0
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes += function.node_def
    for node in nodes:
        if node.op == "Const":
            tensor = node.attr["value"].tensor
            sides = [side.size for side in tensor.tensor_shape.dim]
            total += math.prod(sides) * dtypes.as_dtype(tensor.dtype).size
    if total > most_bytes:
        refuse(path, f"its constants would take {total} bytes; {most_bytes} at most.")


def _check_operations(path, names):
    from tensorflow.python.framework import op_def_registry

    for name in sorted(names):
        definition = op_def_registry.get(name)
        if definition is None:
            refuse(path, f"its graph has an operation that is unknown here: {name}.")
        if definition.is_stateful and name not in _CALLS:
            refuse(path, f"its graph has an operation with an effect: {name}.")
        arguments = [a.name for a in (*definition.input_arg, *definition.attr)]
        if any(_REACHES_OUT.search(argument) for argument in arguments):
            refuse(path, f"its graph has an operation that reaches out of it: {name}.")
