"""The manifest without the images that should not be in it."""

import collections
import csv
import os
import pathlib

from kerasfer.preparation.tables import opened_table
from kerasfer.safe_write import atomic_write

_GONE = ("unreadable", "blank")
# Of copies in several splits the one that stays: no test face goes for a training one.
_PREFERRED = ("test", "validation", "train", "unlabeled")


def rows_to_drop(manifest, problems):
    """Names of the images to leave out.

    Unreadable and blank ones; of images that are the same, or nearly, all but one:
    that of the test set if there is one, else of the validation set, else the first
    with a label. Copies within the test set go too.

    Args:
        manifest: `Manifest`.
        problems: list of `Problem`, without those that are ignored.

    Returns:
        set of names; and how many of the images that stay have a copy with another
        label.
    """
    dropped = {p.path for p in problems if p.kind in _GONE}
    row_of = {name: row for row, name in enumerate(manifest.names)}
    copies, kept, contradicting = _copies(problems), set(), 0
    # One after the other: only a copy of an image that is kept is left out.
    for name in sorted(
        copies.keys() - dropped, key=lambda n: _rank(manifest, row_of[n])
    ):
        if copies[name] & kept:
            dropped.add(name)
            continue
        kept.add(name)
        labels = {int(manifest.labels[row_of[n]]) for n in (name, *copies[name])}
        contradicting += len(labels - {-1}) > 1
    return dropped, contradicting


def check_target(source, target):
    """Raises a ValueError if something stands there already."""
    if target.exists():
        raise ValueError(
            f"--write-clean: {target} exists; it is not written over. Give another "
            f"name. {source} itself is never changed."
        )


def write_clean(source, target, dropped):
    """The rows of a manifest's CSV but for some, all columns as they are; gives how
    many are left.

    Args:
        source, target: paths of CSVs. Names are made relative to the target's folder,
            where that is another one.
        dropped: set of names, as of `rows_to_drop`.
    """
    here, there = source.resolve().parent, target.resolve().parent
    count = 0
    with (
        opened_table(source, columns=("path",)) as reader,
        atomic_write(target) as temporary,
        temporary.open("w", newline="") as file,
    ):
        writer = csv.DictWriter(file, reader.fieldnames, extrasaction="ignore")
        writer.writeheader()
        for row in reader:
            if row["path"] in dropped:
                continue
            if here != there and not pathlib.PurePath(row["path"]).is_absolute():
                path = os.path.relpath(here / row["path"], there)
                row["path"] = pathlib.PurePath(path).as_posix()
            writer.writerow(row)
            count += 1
    return count


def _copies(problems):
    """Name -> names of the images that are the same, or nearly.

    What is the same as two images makes them the same; what is nearly the same as two
    does not.
    """
    same = {}
    for problem in problems:
        if problem.kind.startswith("duplicate"):
            both = {problem.path, problem.other}
            both |= same.get(problem.path, set()) | same.get(problem.other, set())
            same.update(dict.fromkeys(both, both))
    copies = collections.defaultdict(set)
    for name, others in same.items():
        copies[name] |= others - {name}
    for problem in problems:
        if problem.kind.startswith("near_duplicate"):
            for one in same.get(problem.path, {problem.path}):
                for other in same.get(problem.other, {problem.other}):
                    copies[one].add(other)
                    copies[other].add(one)
    return copies


def _rank(manifest, row):
    part = "" if manifest.parts is None else str(manifest.parts[row])
    place = _PREFERRED.index(part) if part in _PREFERRED else len(_PREFERRED)
    return place, manifest.labels[row] < 0, row
