"""Protocols of small laboratory sets: every subject is tested once."""

import dataclasses

import numpy as np

from kerasfer.data.hash_order import hash_order
from kerasfer.data.manifest import Manifest


def folds(manifest: Manifest, spec: str) -> list[str]:
    """The specs of all folds of a folded protocol, for `kerasfer.data.protocols.split`.

    Args:
        manifest: with subjects.
        spec: "folds:k=10": subjects dealt into ten parts, of which each is tested once;
            or "leave_one_subject_out".

    Returns:
        list of str, e.g. ["folds:k=10,fold=0", ...].

    Raises:
        ValueError: no subjects, fewer than folds, or another protocol.

    >>> images, labels = np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1]
    >>> manifest = kerasfer.data.from_arrays(images, labels, subjects=[7, 7, 8, 9])
    >>> folds(manifest, "folds:k=2")
    ['folds:k=2,fold=0', 'folds:k=2,fold=1']
    """
    kind, _, rest = spec.partition(":")
    parts = _subjects_of_folds(manifest, kind, rest)
    separator = "," if rest else ":"
    return [f"{spec}{separator}fold={number}" for number in range(len(parts))]


def is_folded(spec: str) -> bool:
    """Whether a protocol is one of these.

    >>> is_folded("folds:k=10"), is_folded("all")
    (True, False)
    """
    return spec.partition(":")[0] in ("folds", "leave_one_subject_out")


def with_fold(manifest: Manifest, spec: str) -> Manifest:
    """The manifest with the subjects of one fold as its test set.

    The rest is "train", where it was not "unlabeled". Unlabelled faces of a tested
    subject are left out of everything: "left out".

    Args:
        manifest: with subjects.
        spec: with `fold=`, as `folds` gives it.

    Raises:
        ValueError: no subjects, fewer than folds, or no such fold.
    """
    kind, _, rest = spec.partition(":")
    options = dict(pair.split("=") for pair in rest.split(",") if "=" in pair)
    number = options.pop("fold", None)
    others = ",".join(f"{name}={value}" for name, value in options.items())
    parts = _subjects_of_folds(manifest, kind, others)
    if number is None or not number.isdigit() or int(number) >= len(parts):
        raise ValueError(
            f"Expected fold=0 to fold={len(parts) - 1}; a recipe runs them all. "
            f"Received: {spec!r}."
        )
    tested = np.isin(np.asarray(manifest.subjects), parts[int(number)])
    known = manifest.labels >= 0
    if manifest.action_units.size:
        known |= (manifest.action_units >= 0).any(-1)
    before = "train" if manifest.parts is None else manifest.parts
    roles = np.where(before == "unlabeled", "unlabeled", "train").astype("U10")
    roles = np.broadcast_to(roles, len(manifest)).copy()
    roles[tested] = np.where(known[tested], "test", "left out")
    return dataclasses.replace(manifest, parts=roles)


def _subjects_of_folds(manifest, kind, rest):
    if manifest.subjects is None:
        raise ValueError(
            f"Protocol {kind} needs to know who is who: expected a column `subject`."
        )
    subjects = np.unique(manifest.subjects)
    if kind == "leave_one_subject_out" and not rest:
        return [[subject] for subject in subjects]
    name, _, count = rest.partition("=")
    if kind != "folds" or name != "k" or not count.isdigit() or int(count) < 2:
        raise ValueError(
            "Expected folds:k=N with N of at least 2, or leave_one_subject_out. "
            f"Received: {kind}:{rest}."
        )
    if int(count) > len(subjects):
        raise ValueError(
            f"{count} folds need as many subjects. Received: {len(subjects)}."
        )
    # In the order of a hash, so that neighbours in a list are not in one fold.
    order = subjects[np.argsort(hash_order("folds", subjects), kind="stable")]
    return [order[number :: int(count)] for number in range(int(count))]
