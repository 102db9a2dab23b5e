"""Labels as people write them: words for none, and spellings of one class."""

import collections
from collections.abc import Sequence

from kerasfer.vision.expressions import WORDS
from kerasfer.vision.images import EXPRESSIONS

_NO_LABEL = frozenset(("", "-1"))
_NULL = frozenset(("nan", "none", "na", "n/a", "null", "<na>", "nat"))


def unified(
    texts: Sequence[str], class_names: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """One spelling for each class, "" for no label; and what there is to say of it.

    Texts that are equal but for case and blanks around them are one class, under the
    name of a given class or of an expression if it is one, else as it is written first.

    Args:
        texts: the different labels of a manifest, as written.
        class_names: the classes, where they are given; they win.

    Returns:
        a name for each text, and sentences.

    >>> unified(["happiness", "Happiness ", "NaN"])[0]
    ['happiness', 'happiness', '']
    """
    wanted = {name.casefold(): name for name in (*EXPRESSIONS, *(class_names or ()))}
    spellings = collections.defaultdict(list)
    names, nulls = [], []
    for text in texts:
        bare = text.strip()
        key = bare.casefold()
        if bare in _NO_LABEL or (key in _NULL and key not in wanted):
            names.append("")
            nulls += [bare] if bare not in _NO_LABEL else []
            continue
        spellings[key].append(text)
        names.append(wanted.setdefault(key, bare))
    notes = [f"{_listed(nulls)} is no label"] if nulls else []
    for key, written in spellings.items():
        if len(written) > 1 or written[0].strip() != wanted[key]:
            notes.append(f"{_listed(written)} is class {wanted[key]!r}")
    if class_names is None:
        notes += [
            f"{name!r} is a class of its own; FER+ calls it {WORDS[name.casefold()]!r}"
            for name in dict.fromkeys(names)
            if WORDS.get(name.casefold(), name) != name
        ]
    return names, notes


def _listed(texts):
    return ", ".join(map(repr, texts))
