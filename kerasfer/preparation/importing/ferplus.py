"""The votes of FER+: ten taggers for each image of FER2013, and the label they give."""

from kerasfer.preparation.importing.data_set import Rejected
from kerasfer.preparation.tables import opened_table
from kerasfer.vision.files import visible
from kerasfer.vision.images import EXPRESSIONS

_COLUMNS = (*EXPRESSIONS, "unknown", "NF")


def vote(votes, rule):
    """The label of ten taggers' votes.

    Args:
        votes: counts in the order of FER+: eight expressions, unknown, NF (not a face).
        rule: "majority" (FER+'s own: single votes are dropped, then more than half of
            the rest) or "plurality" (the most votes, the first of equals).

    Raises:
        Rejected: unknown or not a face won, or nothing did.

    >>> vote([6, 3, 1, 0, 0, 0, 0, 0, 0, 0], "majority")
    'neutral'
    """
    if rule == "majority":
        votes = [count if count > 1 else 0 for count in votes]
    most = max(votes)
    if most == 0 or (rule == "majority" and most <= 0.5 * sum(votes)):
        raise Rejected("no FER+ majority")
    winner = _COLUMNS[votes.index(most)]
    if winner not in EXPRESSIONS:
        raise Rejected(f"FER+ votes for {winner}")
    return winner


def votes_by_row(path, source, num_rows):
    """One list of ten counts a row of fer2013.csv, empty where FER+ names no image.

    Raises:
        FileNotFoundError, ValueError: no such file, another number of rows, columns or
            counts that are not there.
    """
    rows = _read(path, source)
    if "path" in rows[0]:
        raise ValueError(
            f"{path} is keyed by path, but fer2013.csv has rows, no paths."
        )
    if len(rows) != num_rows:
        raise ValueError(
            f"FER+ goes row by row with fer2013.csv. Expected {num_rows} rows. "
            f"Received: {len(rows)}."
        )
    return [_counts(row, path) if row.get("Image name") else [] for row in rows]


def votes_by_path(path, source):
    """Path of an image -> ten counts, for the release as images.

    Raises:
        FileNotFoundError, ValueError: as `votes_by_row`.
    """
    rows = _read(path, source)
    if "path" not in rows[0]:
        raise ValueError(
            f"{path} has no column `path`. Row-aligned FER+ votes go with fer2013.csv; "
            "for images, give votes with a column path (e.g. train/angry/x.png)."
        )
    return {row["path"]: _counts(row, path) for row in rows}


def _read(path, source):
    if not path.exists() and source.is_dir():
        path = next(iter(sorted(visible(source.rglob(str(path)), source))), path)
    if not path.exists():
        raise FileNotFoundError(f"--ferplus {path} does not exist, nor in the source.")
    with opened_table(path) as table:
        rows = list(table)
    missing = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise ValueError(f"{path}: columns missing: {', '.join(missing)}.")
    return rows


def _counts(row, path):
    try:
        return [int(row[name]) for name in _COLUMNS]
    except (TypeError, ValueError):
        raise ValueError(f"{path}: votes that are not whole numbers: {row}.") from None
