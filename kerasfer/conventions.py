"""Where a paper and its authors' code differ: one switch for all arguments."""


def choose(convention, conventions, **given):
    """The values of a convention, where none is given.

    Args:
        convention: a key of `conventions`.
        conventions: convention -> {argument -> value}.
        given: argument -> value, or None for the convention's.

    Raises:
        ValueError: another convention.

    >>> choose("paper", {"paper": {"floor": 0.0}, "code": {"floor": 0.8}}, floor=None)
    {'floor': 0.0}
    """
    if convention not in conventions:
        raise ValueError(
            f"`convention` must be one of {', '.join(conventions)}. Received: "
            f"{convention!r}."
        )
    defaults = conventions[convention]
    return {n: defaults[n] if value is None else value for n, value in given.items()}
