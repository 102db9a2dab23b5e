"""An ONNX file: a graph with its constants."""

from kerasfer.deploy.safe_loading.refusal import DESCRIPTION, check_size, refuse
from kerasfer.optional import require

_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}  # the standard's


def check_onnx(path, most_bytes):
    """See `kerasfer.deploy.safe_loading.check_model`.

    Run are the standard's own operations, with all weights inside of the file.
    """
    check_size(path, most_bytes)
    onnx = require("onnx", "ONNX", "-r requirements-export.txt")
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        refuse(path, f"it is not a whole ONNX file ({error}).")
    if model.functions or any(o.domain not in _DOMAINS for o in model.opset_import):
        refuse(path, "it asks for operations of its own.")
    _check_graph(path, onnx, model.graph)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    return properties.get(DESCRIPTION)


def _check_graph(path, onnx, graph):
    tensors = [*graph.initializer]
    for node in graph.node:
        if node.domain not in _DOMAINS:
            refuse(
                path, f"it asks for {node.domain}.{node.op_type}, a custom operation."
            )
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            for inner in [attribute.g, *attribute.graphs]:
                if inner.node:
                    _check_graph(path, onnx, inner)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        refuse(path, "its weights lie in another file.")
