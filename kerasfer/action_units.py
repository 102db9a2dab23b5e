"""Action units: names, which of them make up an emotion, and scores of emotions.

The formulas that turn action units into emotions are nobody's consensus, and a face
need not feel what it shows: what they give is called *pseudo*-emotions. Contempt has a
one-sided formula (AU12 and AU14 of one side) and is left out, as in the paper.
"""

import re
from collections.abc import Sequence

import numpy as np

from kerasfer.types import Array

# Facial Action Coding System (Ekman, Friesen and Hager, 2002): appearance of each unit.
DESCRIPTIONS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    11: "nasolabial deepener",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}

EMOTIONET = tuple(f"AU{n}" for n in (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43))
"""The twelve units annotated in EmotioNet, in the paper's order."""

REDUCED_SET = tuple(f"AU{n}" for n in (1, 4, 5, 6, 12, 25, 26))
"""The seven over which the paper's "Avg. small" goes."""

PROTOTYPES = {
    # EMFACS-type formulas as public software lists them (Wikipedia, "Facial Action
    # Coding System"; openDBM).
    "emfacs": {
        "happiness": (6, 12),
        "surprise": (1, 2, 5, 26),
        "sadness": (1, 4, 15),
        "anger": (4, 5, 7, 23),
        "disgust": (9, 15, 16),
        "fear": (1, 2, 4, 5, 7, 20, 26),
    },
    # FACS, Table 11-1, the most intense variant, as reprinted in Methods of
    # Psychological Research Online, issue 4, article 3.
    "facs": {
        "happiness": (6, 12, 25),
        "surprise": (1, 2, 5, 26),
        "sadness": (1, 4, 15),
        "anger": (4, 5, 7, 24),
        "disgust": (4, 10, 17),
        "fear": (1, 2, 4, 5, 20, 25),
    },
    # Du, Tao and Martinez, PNAS 2014, Table 1: weight 1 for units of more than 70 % of
    # the people, 1/2 for the others (the table gives the share of each).
    "du": {
        "happiness": {12: 1, 25: 1, 6: 0.5},
        "surprise": {1: 1, 2: 1, 25: 1, 26: 1, 5: 0.5},
        "sadness": {4: 1, 15: 1, 1: 0.5, 6: 0.5, 11: 0.5, 17: 0.5},
        "anger": {4: 1, 7: 1, 24: 1, 10: 0.5, 17: 0.5, 23: 0.5},
        "disgust": {9: 1, 10: 1, 17: 1, 4: 0.5, 24: 0.5},
        "fear": {1: 1, 4: 1, 20: 1, 25: 1, 2: 0.5, 5: 0.5, 26: 0.5},
    },
}
"""Emotion -> its units, or unit -> weight. The paper's own table is an image (Ekman
and Rosenberg, 2005) and not among these for certain."""


def emotions_of(table: str | dict = "emfacs") -> tuple[str, ...]:
    """Names of a table's emotions, in its order.

    >>> emotions_of()[0]
    'happiness'
    """
    return tuple(_table(table))


def prototype_weights(
    table: str | dict = "emfacs", au_names: Sequence[str] = EMOTIONET
) -> Array:
    """A table as weights, restricted to the units that there are.

    Arguments and errors as for `kerasfer.targets.pseudo_emotion_scores`.

    Returns:
        float32 array (num_emotions, num_aus).

    >>> prototype_weights()[0].nonzero()[0]  # happiness: AU6 and AU12
    array([4, 6])
    """
    numbers = [_number(name) for name in au_names]
    prototypes = _table(table)
    rows = []
    for units in prototypes.values():
        by_number = units if isinstance(units, dict) else dict.fromkeys(units, 1.0)
        rows.append([float(by_number.get(number, 0.0)) for number in numbers])
    weights = np.array(rows, np.float32)
    _check_weights(weights, tuple(prototypes), au_names)
    return weights


def _table(table):
    if isinstance(table, str):
        if table not in PROTOTYPES:
            raise ValueError(
                f"`table` must be one of {', '.join(PROTOTYPES)}, or a dict from "
                f"emotion to action units. Received: {table!r}."
            )
        return PROTOTYPES[table]
    if len(table) < 2:
        raise ValueError(f"`table` needs two emotions at least. Received: {table}.")
    return table


def _number(name):
    match = re.fullmatch(r"AU(\d+)", str(name))
    if match is None:
        raise ValueError(
            f'Expected names of action units such as "AU12". Received: {name!r}.'
        )
    return int(match.group(1))


def _check_weights(weights, emotions, au_names):
    if weights.min() < 0:
        raise ValueError("The weights of a `table` must be 0 or more.")
    for emotion, row in zip(emotions, weights, strict=True):
        if not row.any():
            raise ValueError(
                f"None of the action units of {emotion} is among {', '.join(au_names)}."
                " Give a `table` of your own without it, or other units."
            )
    for i, first in enumerate(emotions):
        for j in range(i):
            if np.array_equal(weights[i], weights[j]):
                raise ValueError(
                    f"{emotions[j]} and {first} have the same units among "
                    f"{', '.join(au_names)}, so that one of them would never be "
                    "assigned. Give a `table` that tells them apart."
                )
