"""Cells of a manifest: the part of the data, the intensity of an action unit."""

import re

PARTS = {
    "train": "train",
    "unlabeled": "unlabeled",
    "unlabelled": "unlabeled",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
"""Word of the column `split` -> part."""

_AU_COLUMN = re.compile(r"AU\d+")


def is_action_unit(column: str) -> bool:
    """Whether a column of that name holds the intensities of an action unit."""
    return _AU_COLUMN.fullmatch(column) is not None


def part(text: str) -> str:
    """The part of the data that a word means.

    Raises:
        ValueError: an unknown word.

    >>> part("val")
    'validation'
    """
    try:
        return PARTS[text.strip().lower()]
    except KeyError:
        raise ValueError(
            "expected split train, unlabeled, validation (val) or test. Received: "
            f"{text!r}."
        ) from None


def intensity(text: str, name: str) -> float:
    """The intensity in [0, 1] of an action unit, -1 where it is not annotated.

    Args:
        text: a number, or empty for none.
        name: of the unit, for the error.

    Raises:
        ValueError: no number, or one outside [0, 1] that is not -1.

    >>> intensity("0.6", "AU12"), intensity("", "AU12")
    (0.6, -1.0)
    """
    try:
        value = float(text or "-1")
    except ValueError:
        value = float("nan")
    if not (value == -1 or 0 <= value <= 1):
        raise ValueError(
            f"expected {name} in [0, 1], or -1 or empty where it is not annotated. "
            f"Received: {text!r}."
        )
    return value
