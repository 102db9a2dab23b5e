"""Pseudo-labels by class, and figures, for TensorBoard."""

import io
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasfer.analysis.inspection import inspect
from kerasfer.callbacks.pseudo_label_audit import MeasuredPseudoLabels
from kerasfer.metrics import confidence_edges
from kerasfer.types import PathLike

_MEASURES = ("passed", "coverage", "precision", "recall", "threshold")
_SHOWN = 12
_MOST_DRAWN = 2000  # of a histogram, which TensorBoard takes as single values


class TensorBoardFigures(MeasuredPseudoLabels):
    """What `keras.callbacks.TensorBoard` lacks: pseudo-labels by class, and figures.

    Each epoch: coverage, precision, recall, threshold and number of the pseudo-labels
    of each class, and histograms of their confidence. Every few epochs, and after the
    last: the confusion matrix and, with at least 5 faces, the t-SNE of embeddings of
    validation faces, and the unlabelled faces that the evaluated classifier is surest
    and least sure of.

    Args:
        folder: of the event files.
        class_names: one per class.
        validation: None, or a data set of (image, label) of expressions.
        unlabeled: None, or a data set of (image, label), small: it is held in memory.
        every: how many epochs lie between figures.
        seed: of t-SNE.

    >>> validation = evaluation_dataset(split.validation)
    >>> figures = TensorBoardFigures("tb", names, validation)
    >>> _ = model.fit(data, steps_per_epoch=1,
    ...               callbacks=[keras.callbacks.TensorBoard("tb"), figures])
    """

    def __init__(
        self,
        folder: PathLike,
        class_names: Sequence[str],
        validation: Any = None,
        unlabeled: Any = None,
        every: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be at least 1. Received: {every}.")
        self.folder = pathlib.Path(folder) / "figures"
        self.class_names = tuple(class_names)
        self.validation, self.unlabeled = validation, unlabeled
        self.every, self.seed = every, seed
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        measured = self.measured()
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.folder))
        with self._writer.as_default(step=epoch):
            if "mask_rate" in (logs or {}):
                self._pseudo_labels(measured)
            if (epoch + 1) % self.every == 0 or epoch + 1 == self.params["epochs"]:
                self._figures()
        self._writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _pseudo_labels(self, measured):
        for measure in _MEASURES:
            for name, value in zip(self.class_names, measured[measure], strict=False):
                if np.isfinite(value):
                    tf.summary.scalar(f"pseudo_labels_{measure}/{name}", value)
        for name, counts in zip(self.class_names, measured["faces"], strict=False):
            counts = np.ceil(counts * min(1.0, _MOST_DRAWN / max(1, counts.sum())))
            middles = np.array(confidence_edges()) + 0.025
            middles = np.repeat(middles, counts.astype(int))
            tf.summary.histogram(f"confidence/{name}", middles, buckets=20)

    def _figures(self):
        from kerasfer.analysis import figures

        if self.validation is not None:
            seen = inspect(self.model, self.validation, self.class_names)
            known = seen.labels >= 0
            counts = np.zeros((len(self.class_names),) * 2, int)
            np.add.at(counts, (seen.labels[known], seen.probs.argmax(-1)[known]), 1)
            _log("confusion", figures.confusion(counts, self.class_names))
            if len(seen.embeddings) >= figures.FEWEST_POINTS:
                points = figures.plane(seen.embeddings, self.seed)
                drawn = figures.embedding(points, seen.labels, self.class_names)
                _log("embedding", drawn)
        if self.unlabeled is not None:
            seen = inspect(self.model, self.unlabeled, self.class_names)
            _log("surest_pseudo_labels", shown(seen, seen.surest(_SHOWN)))
            _log("least_sure_pseudo_labels", shown(seen, seen.least_sure(_SHOWN)))


def shown(seen: Any, rows: Any) -> Any:
    """A figure of some faces of an `Inspected`, with what is said and known of them."""
    from kerasfer.analysis import figures

    said, known, confidence = seen.said, seen.known, seen.confidence
    captions = [
        f"{said[i]} {confidence[i]:.2f}\n({known[i] or 'unknown'})" for i in rows
    ]
    return figures.faces(seen.images[rows], captions)


def _log(name, figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    image = tf.io.decode_png(file.getvalue(), channels=3)
    tf.summary.image(name, image[None])
