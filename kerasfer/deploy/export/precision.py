"""A classifier of mixed precision, as one that reckons in float32."""

_MIXED = ("mixed_bfloat16", "mixed_float16")


def in_float32(classifier):
    """The same classifier in float32 throughout; itself, if it is that already.

    Runtimes for ONNX and LiteRT have no bfloat16 convolutions on most processors. The
    weights are float32 in any policy, so nothing is lost.

    Args:
        classifier: a functional `keras.Model`.

    Returns:
        a `keras.Model` with copies of the weights.
    """
    if not _mixed(classifier.get_config()):
        return classifier
    copy = type(classifier).from_config(_full(classifier.get_config()))
    copy.set_weights(classifier.get_weights())
    return copy


def _is_mixed(value):
    return isinstance(value, str) and value in _MIXED


def _mixed(config):
    values = config.values() if isinstance(config, dict) else config
    return any(
        _mixed(value) if isinstance(value, (dict, list, tuple)) else _is_mixed(value)
        for value in values
    )


def _full(config):
    if isinstance(config, dict):
        return {key: _full(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_full(value) for value in config)
    return "float32" if _is_mixed(config) else config
