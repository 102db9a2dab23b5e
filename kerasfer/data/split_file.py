"""A split as a file: which images, proved by the hash of their content."""

import csv
import hashlib
import pathlib

import numpy as np
import pandas as pd

from kerasfer.data.manifest import Manifest, concatenate, with_classes_of
from kerasfer.data.protocols import Split
from kerasfer.safe_write import atomic_write
from kerasfer.types import PathLike

_COLUMNS = ("part", "path", "sha256", "label")
_PARTS = ("labeled", "unlabeled", "validation", "test")


def save_split(split: Split, path: PathLike) -> None:
    """Writes a CSV with the columns part, path, sha256, label: one row an image.

    Paths stand as in the manifest; the hash is that of the file's bytes, or of the
    pixels of an image in memory; the label is the class, or the action units, in their
    order, with "?" where one is not annotated. Two people with equal files used the
    same images.

    Raises:
        FileNotFoundError: an image does not exist.

    >>> save_split(split, "split.csv")
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(_rows_of(split))


def check_split(split: Split, path: PathLike) -> None:
    """Whether a split is the one that `save_split` wrote.

    Args:
        split: a `kerasfer.data.protocols.Split`.
        path: of the CSV; of one without labels, paths and contents are compared.

    Raises:
        ValueError: an image, its content, its part or its label differs; it says how
            many rows, and names the first.

    >>> save_split(split, "split.csv")
    >>> check_split(split, "split.csv")
    """
    with pathlib.Path(path).open(newline="", encoding="utf8") as file:
        header, *written = csv.reader(file)
    now = [list(row[: len(header)]) for row in _rows_of(split)]
    if now == written:
        return
    before = {tuple(row) for row in written}
    others = [row for row in now if tuple(row) not in before]
    others += [row for row in written if row not in now] if not others else []
    raise ValueError(
        f"The faces are not those of {path}: {len(others)} of {len(now)} rows differ, "
        f"the first is {', '.join((others or now)[0])} ({', '.join(header)}). Give "
        "the manifest and images that it was made from, or another --out."
    )


def _rows_of(split):
    # Row by row: of a million images no list is held.
    for part in _PARTS:
        manifest = getattr(split, part)
        for row in range(len(manifest)):
            content = content_hash(manifest, row)
            yield part, manifest.names[row], content, _label_of(manifest, row)


def _label_of(manifest, row):
    if manifest.class_names:
        label = manifest.labels[row]
        return manifest.class_names[label] if label >= 0 else ""
    if manifest.au_names:
        return " ".join(f"{v:g}" if v >= 0 else "?" for v in manifest.action_units[row])
    return ""


def load_split(
    path: PathLike, manifest: Manifest, unlabeled: Manifest | None = None
) -> Split:
    """Reads the split that `save_split` wrote, and checks every image's content.

    Args:
        path: of the CSV.
        manifest: the `Manifest` it was made from.
        unlabeled: the other manifest of unlabelled faces, if one was used.

    Returns:
        a `kerasfer.data.protocols.Split`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, an image is in neither manifest, or its content
            is not what it was.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Split {path} does not exist.")
    table = pd.read_csv(path, dtype=str)
    missing = {"part", "path", "sha256"} - set(table.columns)
    if missing or not set(table["part"]) <= set(_PARTS):
        raise ValueError(
            f"Split {path}: expected columns part, path, sha256 and parts "
            f"{', '.join(_PARTS)}. Received: {', '.join(table.columns)}."
        )
    pool = manifest
    rows = {part: table[table["part"] == part] for part in _PARTS}
    if unlabeled is not None:
        pool = with_classes_of(manifest, unlabeled)
        if not set(rows["unlabeled"]["path"]) <= set(unlabeled.names):
            pool = concatenate(manifest, pool)
    return Split(
        labeled=_select(manifest, rows["labeled"], path),
        unlabeled=_select(pool, rows["unlabeled"], path),
        validation=_select(manifest, rows["validation"], path),
        test=_select(manifest, rows["test"], path),
    )


def _select(manifest, rows, path):
    index = {name: row for row, name in enumerate(manifest.names)}
    unknown = [name for name in rows["path"] if name not in index]
    if unknown:
        raise ValueError(
            f"Split {path} names {len(unknown)} images that the manifest does not, the "
            f"first is {unknown[0]}. Give the manifest that the split was made from."
        )
    chosen = np.array([index[name] for name in rows["path"]], int)
    for row, expected in zip(chosen, rows["sha256"], strict=True):
        if content_hash(manifest, row) != expected:
            raise ValueError(
                f"Image {manifest.names[row]} is not the one in split {path}: its "
                "content has another hash. Prepare the images as they were then."
            )
    return manifest.subset(chosen)


def content_hash(manifest: Manifest, row: int) -> str:
    """The hash of an image in a split: of its file, or of its pixels, 16 digits.

    Raises:
        FileNotFoundError, ValueError: the image cannot be read.

    >>> len(content_hash(manifest, 0))
    16
    """
    if manifest.images is not None:
        content = manifest.images[row].tobytes()
    else:
        content = manifest.encoded(row)
    return hashlib.sha256(content).hexdigest()[:16]
