"""One switch for all arguments that two sources set differently."""


def choose(value, choices, switch="convention", **given):
    """The arguments of a convention; values that are given override them.

    Args:
        value: a key of `choices`.
        choices: key -> {argument -> value}.
        switch: the name of the argument that `value` is of, for the error.
        given: argument -> value, or None for the choice's.

    Returns:
        argument -> value, for the arguments in `given`.

    Raises:
        ValueError: another value.

    >>> choose("paper", {"paper": {"floor": 0.0}, "code": {"floor": 0.8}}, floor=None)
    {'floor': 0.0}
    """
    if value not in choices:
        raise ValueError(
            f"`{switch}` must be one of {', '.join(choices)}. Received: {value!r}."
        )
    defaults = choices[value]
    return {n: defaults[n] if v is None else v for n, v in given.items()}


def choose_preset(preset, presets, **given):
    """As `choose`, for the presets of a baseline: also its loss weights.

    Args:
        preset: "fer" or "paper".
        presets: preset -> {argument -> value}, with "loss_weights" among them.
        given: argument -> value, or None for the preset's.

    Returns:
        argument -> value, with "loss_weights" among them.
    """
    chosen = choose(preset, presets, "preset", **given)
    return {**chosen, "loss_weights": presets[preset]["loss_weights"]}
