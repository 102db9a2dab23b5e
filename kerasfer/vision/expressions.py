"""The words that data sets write for the expressions."""

from kerasfer.vision.images import EXPRESSIONS

WORDS = {
    **{name: name for name in EXPRESSIONS},
    "afraid": "fear",
    "angry": "anger",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "neutrality": "neutral",
    "sad": "sadness",
    "scared": "fear",
    "surprised": "surprise",
}
"""Word, in small letters -> name of the expression."""


def expression(word: str) -> str:
    """The name of an expression in FER+'s words; any other word as it is.

    >>> expression("Happy"), expression("pain")
    ('happiness', 'pain')
    """
    return WORDS.get(word.strip().lower(), word)
