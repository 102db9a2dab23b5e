"""What to look at: the photos of a folder, a CSV or a list."""

import collections
import pathlib
import typing

from kerasfer.preparation.tables import lines_of, opened_table
from kerasfer.vision.files import hidden, walk


class Photo(typing.NamedTuple):
    """One photo."""

    name: str
    """As the source calls it."""
    path: str
    """Where it lies."""
    target: str
    """Where its crop goes, below OUT; empty for a name that leaves the source."""
    columns: dict
    """What else the source says of it."""
    problem: str = ""
    """Why it is none, of a file in a folder."""


def read_photos(source, ending=".png"):
    """The photos of a source, in the order of a CSV or list, else of their names.

    Args:
        source: folder, CSV or list.
        ending: of the crops' names.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: no photos, no column `path`, a name twice.
    """
    if source.is_dir():
        found = [*walk(source), *hidden(source)]
        names = [f.path.relative_to(source).as_posix() for f in found]
        rows = [{"path": name} for name in names]
        problems = [f.reason for f in found]
        root = source
    elif not source.exists():
        raise FileNotFoundError(f"{source} does not exist.")
    elif source.suffix.lower() == ".csv":
        rows, root = _rows_of(source), source.parent
    else:
        rows = [{"path": line} for line in lines_of(source)]
        root = source.parent
    if not source.is_dir():
        problems = [""] * len(rows)
    if all(problems):
        raise ValueError(f"{source} names no photos.{_most_common(problems)}")
    names = [row["path"] for row in rows]
    name, count = collections.Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{source}: {name!r} is there {count} times.")
    # A text beside a photo of its name takes no part in the names of crops.
    usable = [n for n, problem in zip(names, problems, strict=True) if not problem]
    target_of = dict(zip(usable, _targets(usable, ending), strict=True))
    targets = [target_of.get(name, "") for name in names]
    return [
        Photo(name, str(root / name), target, _without_path(row), problem)
        for name, target, row, problem in zip(
            names, targets, rows, problems, strict=True
        )
    ]


def _without_path(row):
    return {name: value for name, value in row.items() if name != "path"}


def _most_common(problems):
    counted = collections.Counter(problems).most_common(1)
    return "".join(f" {n} times: {problem}." for problem, n in counted)


def _rows_of(path):
    with opened_table(path) as reader:
        if "path" not in (reader.fieldnames or ()):
            raise ValueError(
                f"{path} has no column `path`. Received: "
                f"{', '.join(reader.fieldnames or ())}."
            )
        rows = list(reader)
    for number, row in enumerate(rows):
        if None in row or None in row.values() or not row["path"].strip():
            raise ValueError(
                f"{path}, line {number + 2}: expected a path and "
                f"{len(reader.fieldnames)} columns."
            )
    return rows


def _targets(names, ending):
    """images/<name>.png; with the whole name where two differ by their ending alone."""
    paths = [pathlib.PurePosixPath(name.replace("\\", "/")) for name in names]
    stems = collections.Counter(str(path.with_suffix("")).lower() for path in paths)
    targets = []
    for path in paths:
        if ".." in path.parts:
            targets.append("")
            continue
        parts = path.parts[1:] if path.is_absolute() else path.parts
        inner = pathlib.PurePosixPath("images", *parts)
        is_alone = stems[str(path.with_suffix("")).lower()] == 1
        named = inner.with_suffix(ending) if is_alone else f"{inner}{ending}"
        targets.append(str(named))
    return targets
