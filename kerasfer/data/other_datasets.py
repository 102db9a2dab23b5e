"""Manifests from data sets of other libraries, with their images in memory."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kerasfer.data.manifest import Manifest, from_arrays
from kerasfer.types import Array, Dataset
from kerasfer.vision.images import resize


def from_dataset(
    dataset: Dataset,
    class_names: Sequence[str] | None = None,
    size: Sequence[int] | None = None,
    parts: Sequence[str] | Array | None = None,
) -> Manifest:
    """A manifest of a `tf.data.Dataset` of (image, label), one pass of it.

    Such as `keras.utils.image_dataset_from_directory(folder)`, or TensorFlow Datasets'
    `tfds.load(name, split="train", as_supervised=True)`.

    Args:
        dataset: of pairs, single or in batches: image uint8 or float in 0..255,
            (height, width, 1 or 3); label an int, -1 = unlabelled, or a one-hot row.
        class_names: one per class; None takes `dataset.class_names`, else numbers.
        size: (height, width) to resize to; None needs images of one size.
        parts: as for `from_arrays`.

    Raises:
        ValueError: an endless data set, no pairs, values outside of 0..255, or images
            of several sizes without `size`.

    >>> pairs = tf.data.Dataset.from_tensor_slices(
    ...     (np.zeros((4, 48, 48, 3), np.uint8), [0, 1, 1, 0]))
    >>> len(from_dataset(pairs, ["happiness", "sadness"]))
    4
    """
    import tensorflow as tf

    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("Expected one pass of a data set. Received an endless one.")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(
            "Expected a data set of pairs (image, label); with TensorFlow Datasets "
            f"give as_supervised=True. Received: {spec}."
        )
    pairs = dataset if _is_batched(spec[0]) else dataset.batch(1)
    names = class_names
    if names is None:
        names = getattr(dataset, "class_names", None)
    found = (
        (image, label)
        for images, labels in pairs.as_numpy_iterator()
        for image, label in zip(images, labels, strict=True)
    )
    return _manifest(found, names, size, parts)


def from_hugging_face(
    dataset: Any,
    image: str = "image",
    label: str | None = "label",
    class_names: Sequence[str] | None = None,
    size: Sequence[int] | None = None,
    parts: Sequence[str] | Array | None = None,
) -> Manifest:
    """A manifest of a Hugging Face data set, `datasets.load_dataset(..., split=...)`.

    Args:
        dataset: rows with an image and a class.
        image: its column of images.
        label: its column of classes, None for unlabelled faces.
        class_names: one per class; None takes those of the column, else numbers.
        size, parts: as for `from_dataset`.

    Raises:
        ValueError: no such column, or as `from_dataset`.

    >>> faces = from_hugging_face(
    ...     datasets.load_dataset("user/faces", split="train"))  # doctest: +SKIP
    """
    for column in (image, *([label] if label else [])):
        if column not in dataset.features:
            raise ValueError(
                f"The data set has no column {column!r}. Expected one of "
                f"{', '.join(dataset.features)}."
            )
    of_column = getattr(dataset.features[label], "names", None) if label else None
    names = of_column if class_names is None else class_names
    rows = (
        (np.asarray(row[image].convert("RGB")), row[label] if label else -1)
        for row in dataset
    )
    return _manifest(rows, names, size, parts)


def _manifest(pairs: Iterable, class_names, size, parts):
    images, labels = [], []
    for image, label in pairs:
        image = _pixels(image)
        images.append(image if size is None else resize(image, size))
        labels.append(_class_of(label))
    if not images:
        raise ValueError("Expected at least one face. Received an empty data set.")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ValueError(
            "Expected images of one size, or `size=(height, width)` to resize them to. "
            f"Received: {', '.join(map(str, sorted(shapes)[:3]))}."
        )
    return from_arrays(np.stack(images), np.array(labels), class_names, parts=parts)


def _is_batched(spec):
    """Whether elements are batches; grey images without a last axis are refused."""
    rank, channels = spec.shape.rank, spec.shape[-1] if spec.shape.rank else None
    if rank not in (3, 4) or channels not in (1, 3, None):
        raise ValueError(
            "Expected images (height, width, 1 or 3), or batches of them; give grey "
            f"ones a last axis: images[..., None]. Received: shape={spec.shape}."
        )
    return rank == 4


def _class_of(label):
    """The index that a label is, or that its one-hot row stands for."""
    label = np.asarray(label)
    if label.size == 1:
        return label.reshape(())
    if label.ndim != 1 or sorted(label)[-2:] != [0, 1] or label.sum() != 1:
        raise ValueError(
            "Expected a label to be a class index, or a one-hot row. Received: "
            f"{label}."
        )
    return label.argmax()


def _pixels(image):
    """uint8; a data set whose values are 0 to 1 is refused, not guessed at."""
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    if not 0 <= low <= high <= 255 or 0 < high <= 1:
        raise ValueError(
            "Expected pixels from 0 to 255: kerasfer scales them in the classifier, so "
            "leave out a `Rescaling` before it, or multiply by 255. Received values "
            f"from {low:g} to {high:g}."
        )
    return np.rint(image).astype(np.uint8)
