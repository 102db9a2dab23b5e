"""Which pseudo-labels there are in each epoch, and how good, as tables."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasfer.callbacks.rows import append_rows
from kerasfer.metrics import confidence_edges
from kerasfer.types import PathLike


class MeasuredPseudoLabels(keras.callbacks.Callback):
    """What callbacks on pseudo-labels share: the counts of the epoch that ends.

    The validation of an epoch resets the counts, and `EpochUpdate` moves thresholds,
    before `on_epoch_end` is called: both are read at the begin of the validation.
    Without a validation such a callback belongs before `EpochUpdate`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._measured = None

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self._measured = self._measure()

    def measured(self) -> Any:
        """Name -> array: those of `PseudoLabelQuality.per_class`, "threshold" by class,
        and "faces" and "right" of `PseudoLabelQuality.confidences`."""
        measured, self._measured = self._measured or self._measure(), None
        return measured

    def _measure(self):
        quality = self.model.pseudo_label_quality
        measured = {**quality.per_class()}
        thresholds = self.model.current_thresholds()
        num_classes = len(measured["passed"])
        if thresholds is None:
            thresholds = np.full(num_classes, np.nan)
        measured["threshold"] = np.broadcast_to(thresholds, num_classes)
        measured.update(quality.confidences())
        return {name: np.asarray(values) for name, values in measured.items()}


class PseudoLabelAudit(MeasuredPseudoLabels):
    """Writes which pseudo-labels there are, and how good, a row per epoch and class.

    A scheme without pseudo-labels writes nothing. Where the labels of unlabelled faces
    are unknown, or "audit_label" is not in the batches, their quality stays empty.

    Args:
        path: of a CSV with the columns epoch, class, passed, unsure, true, coverage,
            precision, recall (`kerasfer.metrics.PseudoLabelQuality.per_class`), and
            threshold, the confidence from which the class passed at the end of the
            epoch, empty where the rule is another one.
        class_names: one per class.
        confidences: None, or path of a CSV with a histogram for each epoch and
            pseudo-label: the columns epoch, class, from (the lower edge of a bin, whose
            width is 0.05), faces, right (empty if unknown); bins without faces are
            left out.

    >>> audit = PseudoLabelAudit("pseudo_labels.csv", manifest.class_names,
    ...                          "confidences.csv")
    """

    def __init__(
        self, path: PathLike, class_names: Sequence[str], confidences: Any = None
    ) -> None:
        super().__init__()
        self.path, self.class_names = pathlib.Path(path), tuple(class_names)
        self.confidences = confidences and pathlib.Path(confidences)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        measured = self.measured()
        if "mask_rate" not in (logs or {}):
            return
        faces, right = measured.pop("faces"), measured.pop("right")
        rows = [
            [epoch + 1, name, *(_written(column[k]) for column in measured.values())]
            for k, name in enumerate(self.class_names)
        ]
        append_rows(self.path, ["epoch", "class", *measured], rows)
        if self.confidences:
            rows = [
                [epoch + 1, name, f"{edge:.2f}", _written(count), _written(known)]
                for name, *of_class in zip(self.class_names, faces, right, strict=True)
                for edge, count, known in zip(
                    confidence_edges(), *of_class, strict=True
                )
                if count
            ]
            columns = ["epoch", "class", "from", "faces", "right"]
            append_rows(self.confidences, columns, rows)


def _written(value):
    return "" if np.isnan(value) else f"{value:.4f}".rstrip("0").rstrip(".")
