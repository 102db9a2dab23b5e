"""A SavedModel: a folder with a graph, and a checkpoint of variables."""

import math

from kerasfer.deploy.safe_loading.graph_operations import COMPUTE, SAVER
from kerasfer.deploy.safe_loading.refusal import DESCRIPTION, check_size, refuse

# What TensorFlow makes of an object while it loads; of other names something may run.
_OBJECTS = {
    "_generic_user_object",
    "signature_map",
    "trackable_dict_wrapper",
    "trackable_list_wrapper",
    "trackable_tuple_wrapper",
}
_KINDS = {"user_object", "function", "bare_concrete_function"}
_PER_TEXT = 24  # bytes of a text's own, beside its letters


def check_saved_model(path, most_bytes):
    """See `kerasfer.deploy.safe_loading.check_model`.

    Loaded are graphs of the operations in `graph_operations`, which just compute; an
    export of ours holds its weights as constants, so that not even variables are
    needed. Operations that save and restore are only where TensorFlow puts them: in
    functions that no signature, object or other function reaches.
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
    _check_objects(path, meta_graph.object_graph_def)
    graph = meta_graph.graph_def
    functions = {f.signature.name: f.node_def for f in graph.library.function}
    if len(functions) != len(graph.library.function) or functions.keys() & COMPUTE:
        refuse(path, "two of its functions, or operations, have one name.")
    run = [*_named_by_objects(meta_graph.object_graph_def)]
    if unknown := sorted({*run} - functions.keys()):
        refuse(path, f"it names a function that is not there: {unknown[0]}.")
    run += [gradient.gradient_func for gradient in graph.library.gradient]
    run += _called(_nodes_of_signatures(path, meta_graph), functions)
    reached = set()
    while run:
        name = run.pop()
        if name not in reached and name in functions:
            reached.add(name)
            run += _called(functions[name], functions)
    for name, nodes in functions.items():
        _check_operations(path, nodes, functions, saver=name not in reached)
    _check_operations(path, graph.node, functions, saver=False)


def _check_objects(path, graph):
    for node in graph.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _KINDS:
            refuse(path, f"its graph has a {kind}; an export holds constants alone.")
        if kind == "user_object" and node.user_object.identifier not in _OBJECTS:
            refuse(path, f"it asks for an object {node.user_object.identifier!r}.")
        if node.registered_name or node.registered_saver or node.saveable_objects:
            refuse(path, "it asks for a class of its own.")


def _named_by_objects(graph):
    """Functions that loading makes callable: by the table of them, and by objects,
    whose names TensorFlow looks up among all functions."""
    yield from graph.concrete_functions
    for node in graph.nodes:
        yield from node.function.concrete_functions
        if node.HasField("bare_concrete_function"):
            yield node.bare_concrete_function.concrete_function_name


def _nodes_of_signatures(path, meta_graph):
    """Of the graph outside of functions, what computes the outputs of signatures."""
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    waiting = [
        info.name
        for signature in meta_graph.signature_def.values()
        for info in signature.outputs.values()
    ]
    found = {}
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found[name] = nodes[name]
            waiting += nodes[name].input
    return found.values()


def _called(nodes, functions):
    """Names of the functions that nodes call."""
    for node in nodes:
        if node.op in functions:
            yield node.op
        for value in node.attr.values():
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name


def _check_operations(path, nodes, functions, saver):
    for name in sorted({node.op for node in nodes} - COMPUTE - functions.keys()):
        if name not in SAVER:
            refuse(
                path,
                f"its graph has the operation {name}, which is none of those that just "
                "compute. Export as keras, or as onnx, what needs it.",
            )
        if not saver:
            refuse(path, f"its graph saves or restores files when it is run: {name}.")


def _check_constants(path, meta_graph, most_bytes):
    """A value that is repeated is a few bytes in the file, whatever its size."""
    graph, total = meta_graph.graph_def, 0
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes += function.node_def
    for node in nodes:
        for value in node.attr.values():
            tensors = [value.tensor] if value.HasField("tensor") else []
            for tensor in (*tensors, *value.list.tensor):
                total += _size_of(path, tensor)
                if total > most_bytes:
                    says = f"its constants would take {total} bytes"
                    refuse(path, f"{says}; {most_bytes} at most.")


def _size_of(path, tensor):
    from tensorflow import dtypes

    sides = [side.size for side in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or min(sides, default=0) < 0:
        refuse(path, f"a constant has no size: {sides}.")
    try:
        dtype = dtypes.as_dtype(tensor.dtype)
    except TypeError:
        refuse(path, f"a constant is of an unknown kind, {tensor.dtype}.")
    if dtype == dtypes.string:
        longest = max(map(len, tensor.string_val), default=0)
        return math.prod(sides) * (_PER_TEXT + longest)
    if not (dtype.is_numpy_compatible and dtype.size):
        refuse(path, f"a constant is of the kind {dtype.name}.")
    return math.prod(sides) * dtype.size
