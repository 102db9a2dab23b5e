"""How many images of each class are labelled: the rules of the papers' protocols."""

import dataclasses

import numpy as np

# Ada-CM's supplement: total -> (fear, every other class), in RAF-DB's seven classes.
_ADA_CM = {
    100: (10, 15),
    400: (40, 60),
    1000: (100, 150),
    2000: (200, 300),
    4000: (250, 625),
}

# Its budgets for the other data sets: total of -> number of classes. Their division is
# not published; here every class gets the same, as RAF-DB's do but for fear.
_ADA_CM_ELSEWHERE = {
    "ada_cm_sfew": ((100, 400), 7),
    "ada_cm_affectnet": ((2000, 10000), 8),
}

_SYNTAX = (
    "balanced:labels=N, random:labels=N, ada_cm:100|400|1000|2000|4000, "
    "ada_cm_sfew:100|400, ada_cm_affectnet:2000|10000, imbalanced:n1=N,gamma=G, "
    "fraction:F, all"
)


@dataclasses.dataclass(frozen=True)
class Spec:
    """A parsed protocol, e.g. "imbalanced:n1=500,gamma=150" (see `parse`)."""

    kind: str
    labels: int = 0
    gamma: float = 1.0
    fraction: float = 1.0


def parse(spec):
    """Reads a protocol.

    Args:
        spec: `balanced:labels=N` (the same number of each class; a remainder goes one
            each to the largest classes), `random:labels=N` (drawn without regard to
            class), `ada_cm:N` (Ada-CM's five budgets for RAF-DB: fewer of the class
            `fear`), `ada_cm_sfew:N` and `ada_cm_affectnet:N` (its budgets for those,
            the same number of each class, as the paper does not say more),
            `imbalanced:n1=N,gamma=G` (ReMoP: N of the largest class, falling
            geometrically to N/G), `fraction:F` (of each class, at least one), `all`.

    Raises:
        ValueError: anything else, with the list of protocols.

    >>> parse("balanced:labels=560").labels
    560
    """
    kind, _, rest = spec.partition(":")
    try:
        return _parsed(kind, rest)
    except (KeyError, ValueError):
        raise ValueError(
            f"Unknown protocol. Expected one of {_SYNTAX}. Received: {spec!r}."
        ) from None


def class_budgets(spec, counts, class_names):
    """Labelled images per class.

    Args:
        spec: a `Spec` of any kind but `random` and `all`, which have no class budgets.
        counts: int (num_classes,), images per class in the full training set.
        class_names: (num_classes,).

    Returns:
        int (num_classes,).

    Raises:
        ValueError: a class has fewer images than its budget, or the protocol needs
            other classes.

    >>> class_budgets(parse("imbalanced:n1=4,gamma=4"), [9, 9, 9], "abc")
    array([4, 2, 1])
    """
    counts = np.asarray(counts)
    rank = np.empty(len(counts), int)
    # Stable, so that of two classes with equal counts the first one counts as larger.
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    if spec.kind in _ADA_CM_ELSEWHERE:
        _check_number_of_classes(spec.kind, class_names)
    if spec.kind == "balanced" or spec.kind in _ADA_CM_ELSEWHERE:
        each, rest = divmod(spec.labels, len(counts))
        budgets = each + (rank < rest)
    elif spec.kind == "ada_cm":
        budgets = _ada_cm_budgets(spec.labels, class_names)
    elif spec.kind == "imbalanced":
        budgets = _long_tail(spec.labels, spec.gamma, len(counts))[rank]
    elif spec.kind == "fraction":
        budgets = np.maximum(1, np.round(spec.fraction * counts)).astype(int)
    else:
        raise ValueError(f"Protocol {spec.kind!r} has no class budgets.")
    for name, budget, available in zip(class_names, budgets, counts, strict=True):
        if budget < 1:
            raise ValueError(
                f"Class {name} would have no labelled image under {spec}. Ask for at "
                f"least {len(counts)} labels, one a class."
            )
        if budget > available:
            raise ValueError(
                f"Class {name} has {available} images in the training set, fewer than "
                f"the {budget} labels asked of it under {spec}. Ask for fewer labels, "
                "or use the protocol random or fraction."
            )
    return np.asarray(budgets)


def _parsed(kind, rest):
    if kind in ("balanced", "random"):
        return Spec(kind, labels=_positive_int(_options(rest, "labels")["labels"]))
    if kind == "ada_cm" and int(rest) in _ADA_CM:
        return Spec(kind, labels=int(rest))
    if kind in _ADA_CM_ELSEWHERE and int(rest) in _ADA_CM_ELSEWHERE[kind][0]:
        return Spec(kind, labels=int(rest))
    if kind == "imbalanced":
        options = _options(rest, "n1", "gamma")
        gamma = float(options["gamma"])
        if 1 <= gamma < float("inf"):
            return Spec(kind, labels=_positive_int(options["n1"]), gamma=gamma)
    if kind == "fraction" and 0 < float(rest) <= 1:
        return Spec(kind, fraction=float(rest))
    if kind == "all" and not rest:
        return Spec(kind)
    raise ValueError(f"{kind}:{rest}")


def _ada_cm_budgets(total, class_names):
    if len(class_names) != 7 or "fear" not in class_names:
        raise ValueError(
            "Protocol ada_cm needs the seven classes of RAF-DB, one of them named "
            f"`fear`. Received: {', '.join(class_names)}."
        )
    fear, other = _ADA_CM[total]
    return np.array([fear if name == "fear" else other for name in class_names])


def _check_number_of_classes(kind, class_names):
    _, expected = _ADA_CM_ELSEWHERE[kind]
    if len(class_names) != expected:
        raise ValueError(
            f"Protocol {kind} needs {expected} classes. Received: "
            f"{', '.join(class_names)}."
        )


def _long_tail(largest, gamma, num_classes):
    # As ReMoP's code: truncated, and the smallest class computed on its own.
    step = (1.0 / gamma) ** (1.0 / (num_classes - 1)) if num_classes > 1 else 1.0
    sizes = [int(largest * step**k) for k in range(num_classes - 1)]
    return np.array([*sizes, int(largest / gamma)])


def _options(text, *names):
    pairs = dict(pair.split("=") for pair in text.split(","))
    if set(pairs) != set(names):
        raise ValueError(f"Expected {names}. Received: {text!r}.")
    return pairs


def _positive_int(text):
    if int(text) < 1:
        raise ValueError(f"Expected a positive number. Received: {text}.")
    return int(text)
