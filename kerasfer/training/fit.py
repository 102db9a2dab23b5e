"""Which plug-in fits which scheme."""

from collections.abc import Sequence
from typing import Any

CLASSES = "classes"
HARD_LABELS = "hard pseudo-labels"
SHIFTED_LOGITS = "shifted logits"
_MEANING = {
    CLASSES: "faces that have one class each",
    HARD_LABELS: "a rule for hard pseudo-labels, which it replaces",
    SHIFTED_LOGITS: "logits that learn hard pseudo-labels, which it shifts",
}


def check_fit(scheme: Any, plug_in: Any, offers: Sequence[str] | None = None) -> None:
    """Refuses a plug-in that a scheme would make no use of.

    Args:
        scheme: class of the scheme.
        plug_in: a `PlugIn`, or its class.
        offers: what the scheme offers, by default `scheme.offers`.

    Raises:
        ValueError: it names the pair, what is missing, and the schemes that fit.

    >>> check_fit(FixMatch, Adsh)
    >>> check_fit(MixMatch, Adsh)
    Traceback (most recent call last):
    ValueError: Adsh does not fit MixMatch: ...
    """
    offers = scheme.offers if offers is None else offers
    missing = [need for need in plug_in.needs if need not in offers]
    if missing:
        name = plug_in.__name__ if isinstance(plug_in, type) else type(plug_in).__name__
        raise ValueError(
            f"{name} does not fit {scheme.__name__}: it needs "
            f"{' and '.join(_MEANING[need] for need in missing)}; without, it would "
            f"change nothing or fail. It fits: {', '.join(_fitting(plug_in))}."
        )


def _fitting(plug_in):
    """Names of the schemes that offer what it needs, those of a user's own included."""
    from kerasfer.training.model import SemiSupervisedModel

    known, rest = set(), [SemiSupervisedModel]
    while rest:
        rest += (classes := rest.pop().__subclasses__())
        known |= {c for c in classes if {*plug_in.needs} <= {*c.offers}}
    return sorted({scheme.__name__ for scheme in known})
