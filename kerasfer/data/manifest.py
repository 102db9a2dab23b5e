"""The manifest: which face images there are, and what is known about each."""

import dataclasses
import pathlib
import re

import numpy as np
import pandas as pd

from kerasfer.faces import EXPRESSIONS, read_image, with_channels

_PARTS = {
    "train": "train",
    "unlabeled": "unlabeled",
    "unlabelled": "unlabeled",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
_AU_COLUMN = re.compile(r"AU\d+")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A set of face images: one row an image, in the order of the CSV.

    Attributes:
        names: str (n,), the `path` column as written; unique.
        labels: int32 (n,), class indices, -1 = unlabelled.
        class_names: one name per class; empty if the manifest has no `label` column.
        action_units: float32 (n, num_aus) in [0, 1], -1 = not annotated; (n, 0) if
            there are none.
        au_names: e.g. ("AU1", "AU12").
        subjects: str (n,), or None. An empty subject is an image of its own.
        parts: str (n,) of "train", "unlabeled", "validation", "test"; or None.
        root: folder that relative names start from.
        images: uint8 (n, height, width, channels) for images in memory, else None.
    """

    names: np.ndarray
    labels: np.ndarray
    class_names: tuple
    action_units: np.ndarray
    au_names: tuple = ()
    subjects: np.ndarray | None = None
    parts: np.ndarray | None = None
    root: pathlib.Path = pathlib.Path()
    images: np.ndarray | None = None

    def __len__(self):
        return len(self.names)

    @property
    def num_classes(self):
        """Number of expression classes, absent ones included."""
        return len(self.class_names)

    @property
    def targets(self):
        """What a model learns: `labels`, or `action_units` if there are only those."""
        return self.labels if self.class_names else self.action_units

    def path(self, row):
        """Where the image of a row lies."""
        return self.root / self.names[row]

    def image(self, row, channels=None):
        """The image of a row, uint8 (height, width, channels).

        Args:
            row: its index.
            channels: 1 or 3; None is 3 for a file, and what there is in memory.

        Raises:
            FileNotFoundError, ValueError: see `kerasfer.faces.read_image`.
        """
        if self.images is None:
            return read_image(self.path(row), channels or 3)
        return with_channels(self.images[row], channels or self.images.shape[-1])

    def subset(self, rows):
        """The manifest of some rows: an array of indices, or a boolean mask."""
        columns = ("names", "labels", "action_units", "subjects", "parts", "images")
        kept = {
            column: values[rows]
            for column in columns
            if (values := getattr(self, column)) is not None
        }
        return dataclasses.replace(self, **kept)

    def class_counts(self):
        """Labelled images per class, int (num_classes,)."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.num_classes)


def read_manifest(path, class_names=None):
    """Reads a manifest CSV.

    Columns: `path` (relative ones start at the CSV's folder); `label`, a class name or
    a class index from 0, empty or -1 for an unlabelled face; optionally `subject`,
    `split` (train, unlabeled, validation or val, test) and action units `AU1`, `AU12`,
    ... in [0, 1], empty or -1 where not annotated. Other columns are ignored. `label`
    may be missing if there are action units, or if no image is labelled.

    Args:
        path: of the CSV.
        class_names: names of the classes in the order of their indices. None takes, for
            labels by name, the order of `kerasfer.faces.EXPRESSIONS` where all are
            among them (leaving out those that do not occur), else the alphabetical one;
            for labels by number "0", "1", ... up to the largest.

    Returns:
        a `Manifest`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no rows, a column missing, a path twice, a label outside the
            classes, an unknown split, an action unit outside [0, 1]; with the line it
            stands in.

    >>> manifest = read_manifest("faces/manifest.csv")  # doctest: +SKIP
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Manifest {path} does not exist. Make one with data_prep/, e.g. "
            "`python data_prep/fer2013.py SOURCE OUT`, or write a CSV with the columns "
            "path,label."
        )
    table = _read_table(path)
    names = table["path"].to_numpy(str)
    if len(names) and (repeated := table["path"][table["path"].duplicated()]).size:
        raise ValueError(
            f"{_line(path, repeated.index[0])}: path {repeated.iloc[0]!r} twice."
        )
    if not (lengths := np.char.str_len(names)).all():
        raise ValueError(f"{_line(path, int(np.argmin(lengths)))}: empty path.")
    au_names = tuple(c for c in table.columns if _AU_COLUMN.fullmatch(c))
    labels, class_names = _labels(table, class_names, path)
    return Manifest(
        names=names,
        labels=labels,
        class_names=class_names,
        action_units=_action_units(table, au_names, path),
        au_names=au_names,
        subjects=_subjects(table),
        parts=_parts(table, path),
        root=path.parent,
    )


def from_arrays(images, labels, class_names=None, subjects=None, parts=None):
    """A manifest of images in memory, for notebooks and rendered faces.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        labels: int (n,), class indices, -1 = unlabelled.
        class_names: one per class; None calls them "0", "1", ...
        subjects: (n,) identities, or None.
        parts: (n,) of "train", "unlabeled", "validation", "test"; or None.

    Raises:
        ValueError: another dtype or shape, or a label outside the classes.

    >>> len(from_arrays(np.zeros((2, 48, 48, 3), np.uint8), [0, 1]))
    2
    """
    images, labels = np.asarray(images), np.asarray(labels, np.int32)
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(labels):
        raise ValueError(
            "Expected uint8 images of shape (n, height, width, channels) and n labels. "
            f"Received: images.shape={images.shape}, images.dtype={images.dtype}, "
            f"labels.shape={labels.shape}."
        )
    if class_names is None:
        class_names = [str(k) for k in range(labels.max(initial=-1) + 1)]
    if labels.max(initial=-1) >= len(class_names) or labels.min(initial=0) < -1:
        raise ValueError(
            f"Expected labels from -1 to {len(class_names) - 1}. Received: "
            f"{labels.min()} to {labels.max()}."
        )
    return Manifest(
        names=np.array([f"image_{i:07d}" for i in range(len(images))]),
        labels=labels,
        class_names=tuple(class_names),
        action_units=np.zeros((len(images), 0), np.float32),
        subjects=None if subjects is None else np.asarray(subjects).astype(str),
        parts=None if parts is None else np.asarray(parts).astype(str),
        images=images,
    )


def with_classes_of(manifest, other):
    """`other` with its labels, if any, renumbered by name to the classes of `manifest`.

    A class that `manifest` does not have becomes -1, and so do action units.
    """
    return dataclasses.replace(
        other,
        labels=_renumbered(other, manifest.class_names),
        class_names=manifest.class_names,
        action_units=np.full((len(other), len(manifest.au_names)), -1, np.float32),
        au_names=manifest.au_names,
    )


def for_action_units(manifest, emotions=()):
    """The same images with action units to learn, whether or not they have labels.

    Args:
        manifest: with `au_names`.
        emotions: names to which the labels are renumbered, for an audit of
            pseudo-emotions; other classes become -1.

    Raises:
        ValueError: the manifest has no action units.

    >>> for_action_units(manifest).targets.shape  # doctest: +SKIP
    (10000, 12)
    """
    if not manifest.au_names:
        raise ValueError(
            "The manifest has no action units: expected columns AU1, AU2, ..."
        )
    return dataclasses.replace(
        manifest, labels=_renumbered(manifest, emotions), class_names=()
    )


def _renumbered(manifest, class_names):
    """Labels as indices into other class names, -1 where there is none."""
    index = {name: i for i, name in enumerate(class_names)}
    numbers = [index.get(name, -1) for name in manifest.class_names]
    return np.array([*numbers, -1], np.int32)[manifest.labels]


def concatenate(first, second):
    """The images of two manifests with the same classes, under absolute paths.

    Raises:
        ValueError: one has its images in memory, the other in files.
    """
    if (first.images is None) != (second.images is None):
        raise ValueError("Images in memory and in files cannot be one set of images.")
    in_memory = first.images is not None

    def names(manifest):
        if in_memory:
            return manifest.names
        return [str(manifest.path(row).resolve()) for row in range(len(manifest))]

    return dataclasses.replace(
        first,
        names=np.array([*names(first), *names(second)]),
        labels=np.concatenate([first.labels, second.labels]),
        action_units=np.concatenate([first.action_units, second.action_units]),
        subjects=None,
        parts=None,
        images=np.concatenate([first.images, second.images]) if in_memory else None,
    )


def _read_table(path):
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
    ) as error:
        raise ValueError(f"Manifest {path} is not a CSV in UTF-8: {error}") from error
    if "path" not in table.columns:
        raise ValueError(
            f"Manifest {path} has no column `path`. Expected columns: path, label. "
            f"Received: {', '.join(table.columns)}."
        )
    if table.empty:
        raise ValueError(f"Manifest {path} has no rows below its header.")
    return table


def _line(path, row):
    return f"{path}, line {row + 2}"  # one for the header, one to count from 1


def _labels(table, class_names, path):
    if "label" not in table.columns:
        if class_names is None:
            return np.full(len(table), -1, np.int32), ()
        raise ValueError(
            f"Manifest {path} has no column `label`. Expected columns: path, label. "
            f"Received: {', '.join(table.columns)}."
        )
    written = table["label"].str.strip()
    known = ~written.isin(["", "-1"])
    by_number = known.any() and written[known].str.fullmatch(r"\d+").all()
    if class_names is None:
        class_names = _default_classes(written[known], by_number)
    class_names = tuple(str(name) for name in class_names)
    index = {name: i for i, name in enumerate(class_names)}
    if by_number and not set(written[known]) <= set(index):
        index = {str(i): i for i in range(len(class_names))}
    labels = written.map(index).where(known, -1)
    if labels.isna().any():
        row = int(np.argmax(labels.isna().to_numpy()))
        raise ValueError(
            f"{_line(path, row)}: label {written[row]!r} is outside the classes. "
            f"Expected one of {', '.join(class_names)}"
            + (f", or an index below {len(class_names)}." if by_number else ".")
        )
    return labels.to_numpy(np.int32), class_names


def _default_classes(written, by_number):
    if by_number:
        return range(int(written.astype(int).max()) + 1)
    present = set(written)
    if present <= set(EXPRESSIONS):
        return [name for name in EXPRESSIONS if name in present]
    return sorted(present)


def _action_units(table, au_names, path):
    columns = []
    for name in au_names:
        values = pd.to_numeric(table[name].replace("", "-1"), errors="coerce")
        wrong = ~(values.between(0, 1) | (values == -1))
        if wrong.any():
            row = int(np.argmax(wrong.to_numpy()))
            raise ValueError(
                f"{_line(path, row)}: expected {name} in [0, 1], or -1 or empty where "
                f"it is not annotated. Received: {table[name][row]!r}."
            )
        columns.append(values.to_numpy(np.float32))
    return np.stack(columns, -1) if columns else np.zeros((len(table), 0), np.float32)


def _subjects(table):
    if "subject" not in table.columns:
        return None
    # An unknown identity is nobody else's: the image's own name stands in for it.
    return table["subject"].where(table["subject"] != "", table["path"]).to_numpy(str)


def _parts(table, path):
    if "split" not in table.columns:
        return None
    parts = table["split"].str.strip().str.lower().map(_PARTS)
    if parts.isna().any():
        row = int(np.argmax(parts.isna().to_numpy()))
        raise ValueError(
            f"{_line(path, row)}: expected split train, unlabeled, "
            "validation (val) or test. "
            f"Received: {table['split'][row]!r}."
        )
    return parts.to_numpy(str)
