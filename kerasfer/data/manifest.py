"""The manifest: which face images there are, and what is known about each."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasfer.data.records import is_record, read_record
from kerasfer.types import Array
from kerasfer.vision.images import decode_image, read_encoded, with_channels

_PARTS = {"train", "unlabeled", "validation", "test", "left out"}


@dataclasses.dataclass(frozen=True, repr=False)
class Manifest:
    """A set of face images: one row an image, in the order of the CSV.

    Attributes:
        names: str (n,), the `path` column as written; unique. Of a file, or of an image
            in a TFRecord shard (see `kerasfer.data.records`).
        labels: int32 (n,), class indices, -1 = unlabelled.
        class_names: one name per class; empty if the manifest has no `label` column.
        action_units: float32 (n, num_aus) in [0, 1], -1 = not annotated; (n, 0) if
            there are none.
        au_names: e.g. ("AU1", "AU12").
        subjects: str (n,), or None. An empty subject is an image of its own.
        parts: str (n,) of "train", "unlabeled", "validation", "test"; or None.
        root: folder that relative names start from.
        images: uint8 (n, height, width, channels) for images in memory, else None.
        decoded: images of files, decoded once (`kerasfer.data.decode_once`), or None.
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
    decoded: Any = None

    def __len__(self):
        return len(self.names)

    def __repr__(self):
        facts = [f"{len(self):,} faces"]
        if self.class_names:
            known = int((self.labels >= 0).sum())
            facts.append(f"{known:,} labelled in {self.num_classes} classes")
        if self.au_names:
            facts.append(f"{len(self.au_names)} action units")
        if self.subjects is not None:
            named = self.subjects[self.subjects != ""]
            facts.append(f"{len(np.unique(named)):,} subjects")
        place = "in memory" if self.images is not None else f"below {self.root}"
        return f"Manifest({', '.join(facts)}, {place})"

    @property
    def num_classes(self) -> int:
        """Number of expression classes, absent ones included."""
        return len(self.class_names)

    @property
    def targets(self) -> Array:
        """What a model learns: `labels`, or `action_units` if there are only those."""
        return self.labels if self.class_names else self.action_units

    @property
    def num_targets(self) -> int:
        """Outputs of a classifier for these targets."""
        return self.num_classes if self.class_names else len(self.au_names)

    def path(self, row: int) -> pathlib.Path:
        """Where the image of a row lies."""
        return self.root / self.names[row]

    def encoded(self, row: int) -> bytes:
        """The bytes of the file, or of the record in a shard, of a row whose image is
        not in memory.

        Raises:
            FileNotFoundError, ValueError: see `kerasfer.vision.images.read_encoded` and
                `kerasfer.data.records.read_record`.
        """
        return _read(os.path.join(self.root, self.names[row]))

    def image(self, row: int, channels: int | None = None) -> Array:
        """The image of a row, uint8 (height, width, channels).

        Args:
            row: its index.
            channels: 1 or 3; None is 3 for a file, and what there is in memory.

        Raises:
            FileNotFoundError, ValueError: see `encoded` and
                `kerasfer.vision.images.decode_image`.
        """
        if self.decoded is not None and channels in (None, 3):
            return self.decoded[row]
        if self.images is None:
            path = os.path.join(self.root, self.names[row])
            return decode_image(_read(path), path, channels or 3)
        return with_channels(self.images[row], channels or self.images.shape[-1])

    def subset(self, rows: Array) -> "Manifest":
        """The manifest of some rows: an array of indices, or a boolean mask."""
        columns = ("names", "labels", "action_units", "subjects", "parts", "images")
        kept = {
            column: values[rows]
            for column in columns
            if (values := getattr(self, column)) is not None
        }
        if self.decoded is not None:
            kept["decoded"] = self.decoded.subset(rows)
        return dataclasses.replace(self, **kept)

    def class_counts(self) -> Array:
        """Labelled images per class, int (num_classes,)."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.num_classes)

    def counts(self) -> dict[str, int]:
        """Labelled images by the name of their class, a dict.

        >>> faces = from_arrays(np.zeros((3, 48, 48, 3), np.uint8), [0, 1, 1])
        >>> faces.counts()
        {'0': 1, '1': 2}
        """
        return dict(zip(self.class_names, self.class_counts().tolist(), strict=True))


def _read(path):
    return read_record(path) if is_record(path) else read_encoded(path)


def from_arrays(
    images: Array,
    labels: Any,
    class_names: Sequence[str] | None = None,
    subjects: Sequence[Any] | Array | None = None,
    parts: Sequence[str] | Array | None = None,
) -> Manifest:
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
    images = np.asarray(images)
    labels = _class_indices(labels)
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
    if len(set(class_names)) != len(class_names):
        raise ValueError(f"Two classes have one name. Received: {[*class_names]}.")
    for name, column in (("subjects", subjects), ("parts", parts)):
        if column is not None and len(column) != len(images):
            raise ValueError(
                f"Expected `{name}` for each of {len(images)} images. Received: "
                f"{len(column)}."
            )
    if parts is not None and (unknown := {*map(str, parts)} - _PARTS):
        raise ValueError(
            f"Expected `parts` among {', '.join(sorted(_PARTS))}. Received: "
            f"{', '.join(sorted(unknown))}."
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


def _class_indices(labels: Any) -> Array:
    """Whole numbers, one an image."""
    labels = np.asarray(labels)
    if labels.ndim == 2:
        raise ValueError(
            "Expected a class index for each image. Received: labels.shape="
            f"{labels.shape}; of one-hot rows take labels.argmax(-1)."
        )
    if labels.size and (labels.dtype.kind not in "iubf" or (labels % 1 != 0).any()):
        raise ValueError(
            "Expected class indices as whole numbers, -1 for none. Received: "
            f"{labels.dtype} such as {labels.ravel()[0]!r}; names of classes go into "
            "`class_names`."
        )
    return labels.astype(np.int32)


def with_classes_of(manifest: Manifest, other: Manifest) -> Manifest:
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


def for_action_units(manifest: Manifest, emotions: Sequence[str] = ()) -> Manifest:
    """The same images with action units to learn, whether or not they have labels.

    Args:
        manifest: with `au_names`.
        emotions: names to which the labels are renumbered, for an audit of
            pseudo-emotions; other classes become -1.

    Raises:
        ValueError: the manifest has no action units.

    >>> for_action_units(manifest).targets.shape
    (300, 12)
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


def concatenate(first: Manifest, second: Manifest) -> Manifest:
    """The images of two manifests with the same classes, under absolute paths.

    Raises:
        ValueError: one has its images in memory, the other in files.
    """
    if (first.images is None) != (second.images is None):
        raise ValueError("Images in memory and in files cannot be one set of images.")
    in_memory = first.images is not None
    decoded = first.decoded is not None and second.decoded is not None

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
        decoded=first.decoded.followed_by(second.decoded) if decoded else None,
    )
