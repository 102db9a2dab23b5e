"""Colours: one a class, in every figure, and told apart by colour-blind readers too."""

from collections.abc import Sequence

# Okabe and Ito's, but for black and yellow, which do not show on dark or light ground.
COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a5a2b",
    "#7f7f7f",
)  # fmt: skip
GREY = COLOURS[-1]
_OF_EXPRESSIONS = {
    "anger": "#d55e00",
    "contempt": "#8a5a2b",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "happiness": "#e69f00",
    "neutral": "#7f7f7f",
    "sadness": "#0072b2",
    "surprise": "#56b4e9",
}


def class_colours(class_names: Sequence[str]) -> dict[str, str]:
    """Name of a class -> its colour, "#rrggbb".

    The eight expressions have the same colour whichever of them a data set has; other
    classes get one by their place, and the ninth begins again.

    >>> class_colours(["happiness", "fear"])
    {'happiness': '#e69f00', 'fear': '#cc79a7'}
    """
    names = [*class_names]
    if {*names} <= {*_OF_EXPRESSIONS, "unknown"}:
        return {name: _OF_EXPRESSIONS.get(name, GREY) for name in names}
    return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(names)}
