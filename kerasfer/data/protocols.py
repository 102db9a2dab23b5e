"""Who is labelled, who is not, who is held out: the rules of a semi-supervised run.

Images are drawn in the order of a hash of the seed and the image's name, so membership
does not depend on the order of the file or NumPy's version, and the labelled images of
`balanced:labels=100` are among those of `balanced:labels=400` with the same seed.
"""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from kerasfer.data.budgets import class_budgets, parse
from kerasfer.data.folding import is_folded, with_fold
from kerasfer.data.hash_order import hash_order
from kerasfer.data.manifest import Manifest, concatenate, with_classes_of

_LOG = logging.getLogger(__name__)
_TEST_SHARE = 0.2
_VALIDATION_SHARE = 0.1
TRAINING_PARTS = ("train", "unlabeled")
_SOURCES = ("rest", "other", "both")


@dataclasses.dataclass(frozen=True, repr=False)
class Split:
    """Disjoint manifests of one run.

    Attributes:
        labeled: the faces whose labels are learned.
        unlabeled: the faces whose labels, if known, only diagnostics may read.
        validation: drawn from the training set; selects the epoch.
        test: read once, at the end.
    """

    labeled: Manifest
    unlabeled: Manifest
    validation: Manifest
    test: Manifest

    def __repr__(self):
        sizes = f"{len(self.labeled):,} labelled, {len(self.unlabeled):,} unlabelled, "
        sizes += f"{len(self.validation):,} validation, {len(self.test):,} test faces"
        return f"Split({sizes}, {self.labeled.num_classes} classes)"

    def counts(self) -> pd.DataFrame:
        """Faces by class and part, a frame: a row a class, the last of those unknown.

        >>> parts = split(manifest, "balanced:labels=80", seed=0)
        >>> int(parts.counts().loc["happiness", "labeled"])
        10
        """
        columns = {}
        for field in dataclasses.fields(self):
            part = getattr(self, field.name)
            columns[field.name] = {
                **part.counts(),
                "unknown": int((part.labels < 0).sum()),
            }
        return pd.DataFrame(columns).fillna(0).astype(int)


def split(
    manifest: Manifest,
    spec: str,
    seed: int,
    unlabeled: Manifest | None = None,
    unlabeled_from: str | None = None,
    unlabeled_parts: Sequence[str] = TRAINING_PARTS,
) -> Split:
    """Divides a manifest by a protocol.

    *Test*: the rows with split "test"; without a `split` column a fifth of the labelled
    images (whole subjects), the same for every seed. *Labelled*: by the protocol, from
    the training set. *Validation*: of the rows with split "validation" as many as
    there are labelled images at most (who has few labels has few to select by); without
    such rows, drawn from the training images that the protocol leaves over (from all of
    them for the protocol `all`): a tenth at most, no more than there are labelled
    images, whole subjects where subjects are known (for `all` one at least), and at
    least one image of each class stays in the pool. *Unlabelled*: what is left and
    the rows with split "unlabeled", another manifest (of a `split` column, its training
    set: others may want to test on the rest), or both.

    Args:
        manifest: a `Manifest`.
        spec: the protocol, e.g. "balanced:labels=560"; see
            `kerasfer.data.budgets.parse`. Or a fold of a small set, whose subjects are
            the test set and of which all else is labelled, e.g. "folds:k=10,fold=0";
            see `kerasfer.data.folds`.
        seed: int; draws the labelled and the validation images.
        unlabeled: another `Manifest` of unlabelled faces, or None. Rows that are the
            same file as one of `manifest` are left out, and the log says how many.
        unlabeled_from: "rest", "other" or "both"; None is "other" if `unlabeled` is
            given, else "rest".
        unlabeled_parts: which parts of `unlabeled` to take, where it names them.

    Returns:
        a `Split`.

    Raises:
        ValueError: an unknown protocol, more labels than there are images, a class
            without a labelled image, a test image without a label, or a source of
            unlabelled faces that is missing.

    >>> len(split(manifest, "balanced:labels=80", seed=0).labeled)
    80
    """
    source = _source(unlabeled, unlabeled_from)
    if is_folded(spec):
        manifest, spec = with_fold(manifest, spec), "all"
    spec = parse(spec)
    classes = _classes(manifest)
    parts = _parts(manifest, classes)
    train = np.flatnonzero(parts == "train")
    pool = np.flatnonzero((parts == "train") | (parts == "unlabeled"))
    known = train[classes[train] >= 0]
    draw = _LabeledDraw(manifest, classes, known, spec, seed)
    validation = np.flatnonzero(parts == "validation")
    if len(validation):
        labeled = draw.labeled(known)
        validation = draw.front(validation, len(labeled))
        held_out = np.zeros(len(manifest), bool)
    else:
        validation = draw.validation()
        labeled = draw.labeled(np.setdiff1d(known, validation))
        # An unlabelled image of a subject that is validated on is left out, too.
        held_out = _isin(draw.groups, draw.groups[validation])
    held_out[labeled] = True
    rest = pool[~held_out[pool]]
    _check_labeled(manifest, classes, labeled, spec, seed)
    return Split(
        labeled=manifest.subset(labeled),
        unlabeled=_pool(manifest, rest, _of_parts(unlabeled, unlabeled_parts), source),
        validation=manifest.subset(validation),
        test=manifest.subset(np.flatnonzero(parts == "test")),
    )


class _LabeledDraw:
    """Labelled images from the front of the hash order, validation from its back."""

    def __init__(self, manifest, classes, known, spec, seed):
        self.classes, self.known, self.spec = classes, known, spec
        self.num_classes = max(1, manifest.num_classes)
        self.class_names = manifest.class_names or ("faces",)
        self.keys = hash_order(seed, manifest.names)
        groups = manifest.names if manifest.subjects is None else manifest.subjects
        self.groups, self.group_keys = groups, self.keys
        if manifest.subjects is not None:
            self.group_keys = hash_order(seed, groups)
        # From the full training set, before anything is held out.
        self.budgets = None
        if spec.kind not in ("random", "all"):
            counts = np.bincount(classes[known], minlength=self.num_classes)
            self.budgets = class_budgets(spec, counts, self.class_names)
        elif spec.labels > len(known):
            raise ValueError(
                f"Expected at most {len(known)} labels, the labelled images of the "
                f"training set. Received: {spec.labels}."
            )

    def front(self, rows, count):
        """The first rows in the order of the hash, at most `count`."""
        return np.sort(rows[np.argsort(self.keys[rows], kind="stable")][:count])

    def labeled(self, rows):
        rows = rows[np.argsort(self.keys[rows], kind="stable")]
        if self.spec.kind == "all":
            return np.sort(rows)
        if self.budgets is None:
            return self.front(rows, self.spec.labels)
        return np.sort(
            np.concatenate(
                [
                    rows[self.classes[rows] == k][:budget]
                    for k, budget in enumerate(self.budgets)
                ]
            )
        )

    def validation(self):
        known, classes = self.known, self.classes
        drawn = known[:0] if self.spec.kind == "all" else self.labeled(known)
        budget = int(_VALIDATION_SHARE * (len(known) - len(drawn)))
        budget = min(budget, len(drawn) or budget)
        if self.spec.kind == "all" and len(known):
            # Where a tenth is less than any subject's images, one subject validates.
            _, sizes = np.unique(self.groups[known], return_counts=True)
            budget = max(budget, sizes.min())
        left = np.bincount(classes[known], minlength=self.num_classes)
        # Enough stays for the labelled images, and one image of each class besides.
        needed = np.bincount(classes[drawn], minlength=self.num_classes) + 1
        members = {}
        for row in known[np.argsort(self.group_keys[known], kind="stable")[::-1]]:
            members.setdefault(self.groups[row], []).append(row)
        taken = []
        for rows in members.values():
            counts = np.bincount(classes[rows], minlength=self.num_classes)
            fits = len(taken) + len(rows) <= budget
            if fits and np.all((left - counts >= needed) | (counts == 0)):
                taken += rows
                left = left - counts
            if len(taken) == budget:
                break
        return np.sort(np.array(taken, int))


def _source(unlabeled, unlabeled_from):
    source = unlabeled_from or ("rest" if unlabeled is None else "other")
    if source not in _SOURCES:
        raise ValueError(
            f"`unlabeled_from` must be one of {', '.join(_SOURCES)}. "
            f"Received: {source!r}."
        )
    if (source == "rest") != (unlabeled is None):
        raise ValueError(
            f"unlabeled_from={source!r} "
            + ("leaves the other manifest unused" if source == "rest" else "needs one")
            + ". Give `unlabeled` together with 'other' or 'both', or neither."
        )
    return source


def _classes(manifest):
    """Class indices; for a manifest of action units 0 where any is annotated."""
    if manifest.class_names:
        return manifest.labels
    if manifest.au_names:
        return np.where((manifest.action_units >= 0).any(-1), 0, -1)
    raise ValueError(
        "The manifest has no labels: expected a column `label` with at least one "
        "class, or action units AU1, AU2, ..."
    )


def _parts(manifest, classes):
    parts = manifest.parts
    if parts is None:
        groups = manifest.names if manifest.subjects is None else manifest.subjects
        held_out = hash_order("test", groups) < np.uint64(_TEST_SHARE * 2**64)
        numbers = held_out.astype(np.int8)
        # An unlabelled image cannot be tested on, and a tested subject not trained on.
        numbers[held_out & (classes < 0)] = 0 if manifest.subjects is None else 2
        parts = pd.Categorical.from_codes(numbers, ["train", "test", "left out"])
    unknown = np.flatnonzero(_isin(parts, ["test", "validation"]) & (classes < 0))
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} images of the test or validation set have no label, the "
            f"first is {manifest.names[unknown[0]]}. Label them, or move them to train."
        )
    return parts


def _isin(texts, some):
    """Which of an array of texts are among some, bool (n,); NumPy's would make Python's
    texts of Arrow's."""
    return np.array(pd.Series(texts).isin(some))


def _check_labeled(manifest, classes, labeled, spec, seed):
    if not len(labeled):
        raise ValueError(f"No image is left to be labelled under {spec}.")
    if not manifest.class_names:
        return
    counts = np.bincount(classes[labeled], minlength=manifest.num_classes)
    if not counts.all():
        missing = [manifest.class_names[k] for k in np.flatnonzero(counts == 0)]
        raise ValueError(
            f"No labelled image of class {', '.join(missing)} under {spec} with seed "
            f"{seed}. Ask for more labels, or use a protocol that draws each class."
        )


def _of_parts(other, parts):
    """The rows of the other manifest that are in some parts."""
    if other is None or other.parts is None:
        return other
    chosen = _isin(other.parts, parts)
    if not chosen.any():
        raise ValueError(
            f"The manifest of unlabelled faces has no rows with split "
            f"{' or '.join(parts)}. Received: {', '.join(sorted(set(other.parts)))}."
        )
    return other.subset(np.flatnonzero(chosen))


def _pool(manifest, rest, other, source):
    """The unlabelled manifest."""
    if source == "rest":
        return manifest.subset(rest)
    own = set(_identities(manifest))
    fresh = np.array([i not in own for i in _identities(other)], bool)
    if not fresh.all():
        _LOG.warning(
            "%d of %d unlabelled faces are images of the labelled manifest too, and "
            "are left out.",
            (~fresh).sum(),
            len(other),
        )
    other = with_classes_of(manifest, other.subset(fresh))
    return other if source == "other" else concatenate(manifest.subset(rest), other)


def _identities(manifest):
    if manifest.images is not None:
        return [image.tobytes() for image in manifest.images]
    return [str(manifest.path(row).resolve()) for row in range(len(manifest))]
