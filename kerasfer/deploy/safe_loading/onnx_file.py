"""An ONNX file: a graph with its constants."""

from kerasfer.deploy.safe_loading.refusal import (
    DESCRIPTION,
    UnsafeModelError,
    check_size,
    refuse,
)
from kerasfer.optional import require

_BROKEN = (ValueError, TypeError, RecursionError, AttributeError, RuntimeError)
_MOST_BYTES = 2**31 - 1
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}  # the standard's


def check_onnx(path, most_bytes):
    """See `kerasfer.deploy.safe_loading.check_model`.

    Run are the standard's own operations, with all weights inside of the file, and no
    other. ONNX Runtime folds no constants of such a file (`running`): a shape of a few
    bytes would ask for any memory before a face is seen.
    """
    check_size(path, most_bytes)
    if path.stat().st_size > _MOST_BYTES:
        refuse(path, "a protocol buffer has 2 GiB at most.")
    onnx = require("onnx", "ONNX", "-r requirements-export.txt")
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
        _check_graph(path, onnx, model.graph)
        onnx.checker.check_model(model)
    except UnsafeModelError:
        raise
    except _BROKEN + (DecodeError, onnx.checker.ValidationError) as error:
        refuse(path, f"it is not a whole ONNX file ({error}).")
    if model.training_info:
        refuse(path, "it brings a training of its own.")
    if model.functions or any(o.domain not in _DOMAINS for o in model.opset_import):
        refuse(path, "it asks for operations of its own.")
    properties = {entry.key: entry.value for entry in model.metadata_props}
    return properties.get(DESCRIPTION)


def _check_graph(path, onnx, graph):
    sparse = [*graph.sparse_initializer]
    tensors = [*graph.initializer]
    for node in graph.node:
        if node.domain not in _DOMAINS:
            refuse(
                path, f"it asks for {node.domain}.{node.op_type}, a custom operation."
            )
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
            graphs = [attribute.g] if attribute.HasField("g") else []
            for inner in [*graphs, *attribute.graphs]:
                _check_graph(path, onnx, inner)
    for one in sparse:
        tensors += [one.values, one.indices]
    for tensor in tensors:
        if tensor.external_data or tensor.data_location != onnx.TensorProto.DEFAULT:
            refuse(path, "its weights lie in another file.")
        if any(side < 0 for side in tensor.dims):
            refuse(path, f"a tensor has the shape {list(tensor.dims)}.")
