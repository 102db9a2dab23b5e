"""A LiteRT (TensorFlow Lite) file: a flat buffer, with a zip of metadata behind it."""

from kerasfer.deploy.safe_loading.archives import checked_zip
from kerasfer.deploy.safe_loading.refusal import (
    DESCRIPTION,
    UnsafeModelError,
    check_size,
    described,
    refuse,
)

_CUSTOM = 32  # BuiltinOperator.CUSTOM


def check_litert(path, most_bytes):
    """See `kerasfer.deploy.safe_loading.check_model`.

    Run are LiteRT's own operations; TensorFlow's ("Flex") and custom ones are not.
    """
    check_size(path, most_bytes)
    with path.open("rb") as file:
        if file.read(8)[4:] != b"TFL3":
            refuse(path, "it is not a LiteRT file.")
    with checked_zip(path, {DESCRIPTION}.__contains__, most_bytes) as archive:
        text = described(archive)
    for name in _custom_operations(path):
        refuse(path, f"it asks for a custom operation: {name}.")
    return text


def _custom_operations(path):
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAs(path.read_bytes(), 0)
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        if not codes or not model.SubgraphsLength():
            refuse(path, "it holds no graph.")
        return [
            (code.CustomCode() or b"?").decode("utf8", "replace")
            for code in codes
            if code.BuiltinCode() == _CUSTOM or code.CustomCode()
        ]
    except UnsafeModelError:
        raise
    except Exception as error:  # offsets that lead anywhere make any error
        refuse(path, f"it is damaged ({error!r:.300}).")
