"""The manifest without the pictures that should not be in it."""

import csv
import os
import pathlib

from kerasfer.preparation.tables import opened_table
from kerasfer.safe_write import written_aside

_GONE = ("unreadable", "blank")
# Of copies in several splits the one that stays: a test set is to stay what it was.
_PREFERRED = ("test", "validation", "train", "unlabeled")


def rows_to_drop(manifest, problems):
    """Names of the pictures to leave out.

    Unreadable and blank ones; of pictures that are the same, or nearly, all but one:
    that of the test part if there is one, else of the validation, else the first.

    Args:
        manifest: `Manifest`.
        problems: list of `Problem`, without those that are ignored.

    Returns:
        set of names; and how many sets of copies have different labels.
    """
    dropped = {p.path for p in problems if p.kind in _GONE}
    row_of = {name: row for row, name in enumerate(manifest.names)}
    contradicting = 0
    for copies in _sets_of_copies(problems):
        left = sorted(copies - dropped, key=lambda name: _rank(manifest, row_of[name]))
        dropped |= {*left[1:]}
        labels = {int(manifest.labels[row_of[name]]) for name in left}
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
        written_aside(target) as aside,
        aside.open("w", newline="") as file,
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


def _sets_of_copies(problems):
    """Names that are one picture, by all pairs of copies together."""
    sets = {}
    for problem in problems:
        if "duplicate" not in problem.kind:
            continue
        both = sets.get(problem.path, {problem.path})
        both = both | sets.get(problem.other, {problem.other})
        for name in both:
            sets[name] = both
    return {id(copies): copies for copies in sets.values()}.values()


def _rank(manifest, row):
    part = "" if manifest.parts is None else str(manifest.parts[row])
    place = _PREFERRED.index(part) if part in _PREFERRED else len(_PREFERRED)
    return place, row
