"""Callbacks for `model.fit`: work at the end of an epoch, files, a stop on NaN."""

import csv
import math
import pathlib

import keras
import numpy as np

from kerasfer.safe_write import written_aside


class EpochUpdate(keras.callbacks.Callback):
    """Lets the scheme and its plug-ins work at the end of each epoch.

    Class centroids and confidence margins are measured then, by the averaged weights on
    images without augmentation. What was in force during the epoch (`model.epoch_logs`)
    is added to its logs, for the callbacks after this one and the history.

    Args:
        labeled: data set of (image, label), `evaluation_dataset(split.labeled)`.
        unlabeled: the same of the unlabelled faces, for what asks for it.

    >>> model.fit(data, steps_per_epoch=100,
    ...           callbacks=[EpochUpdate(evaluation_dataset(split.labeled))])
    ... # doctest: +SKIP
    """

    def __init__(self, labeled, unlabeled=None):
        super().__init__()
        self.labeled, self.unlabeled = labeled, unlabeled

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs.update(self.model.epoch_logs())
        self.model.epoch_end(self.labeled, self.unlabeled)
        for plug_in in self.model.plug_ins:
            plug_in.epoch_end(self.model, self.labeled, self.unlabeled)


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is NaN or infinite, by an error. `fit` adds it by itself.

    Raises:
        FloatingPointError: at the end of the first batch with such a loss; with the
            parts of the loss that are not finite and what usually causes it.
    """

    def on_train_batch_end(self, batch, logs=None):
        logs = logs or {}
        if math.isfinite(logs.get("loss", 0.0)):
            return
        broken = [n for n, v in logs.items() if n != "loss" and not _is_finite(v)]
        raise FloatingPointError(
            f"The loss is {logs['loss']} at step {batch + 1} of the epoch; not finite: "
            f"{', '.join(broken) or 'none of its parts alone'}. Usual causes: a "
            "learning rate that is too high, a loss weight that is too large, labels "
            "or a `supervised_loss` that give NaN. The last good weights are those of "
            "the last checkpoint."
        )


class SaveWeights(keras.callbacks.Callback):
    """Saves the model's weights at the end of an epoch; a file is whole or absent.

    Args:
        path: ends in ".weights.h5".
        monitor: a key of the logs; saves only when it improves. None saves every epoch.
        mode: "max" or "min", what improving means.

    Attributes:
        best: the best value so far, None before the first.
        best_epoch: its epoch, counted from 1.

    Raises:
        ValueError: another `mode`, or `monitor` is not in the logs.

    >>> SaveWeights("best.weights.h5", monitor="val_accuracy")  # doctest: +SKIP
    """

    def __init__(self, path, monitor=None, mode="max"):
        super().__init__()
        if mode not in ("max", "min"):
            raise ValueError(f"`mode` must be 'max' or 'min'. Received: {mode!r}.")
        self.path, self.monitor, self.mode = pathlib.Path(path), monitor, mode
        self.best = self.best_epoch = None

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor is not None:
            if self.monitor not in (logs or {}):
                raise ValueError(
                    f"`monitor` must be one of {', '.join(logs or {})}. Received: "
                    f"{self.monitor!r}."
                )
            value = float(logs[self.monitor])
            if self.best is not None and not self._is_better(value):
                return
            self.best, self.best_epoch = value, epoch + 1
        with written_aside(self.path) as aside:
            self.model.save_weights(aside)

    def _is_better(self, value):
        return value > self.best if self.mode == "max" else value < self.best


class PseudoLabelAudit(keras.callbacks.Callback):
    """Writes which pseudo-labels there are, and how good, a row per epoch and class.

    A scheme without pseudo-labels writes nothing. Where the labels of unlabelled faces
    are unknown, or "audit_label" is not in the batches, their quality stays empty.

    Args:
        path: of a CSV with the columns epoch, class, passed, unsure, coverage,
            precision, recall (`kerasfer.metrics.PseudoLabelQuality.per_class`).
        class_names: one per class.
    """

    def __init__(self, path, class_names):
        super().__init__()
        self.path, self.class_names = pathlib.Path(path), tuple(class_names)
        self.measured = None

    def on_test_begin(self, logs=None):
        # The validation of an epoch resets the counts before `on_epoch_end` is called.
        self.measured = self._measure()

    def on_epoch_end(self, epoch, logs=None):
        measured, self.measured = self.measured or self._measure(), None
        if "mask_rate" not in (logs or {}):
            return
        is_new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["epoch", "class", *measured])
            for k, name in enumerate(self.class_names):
                values = [_written(column[k]) for column in measured.values()]
                writer.writerow([epoch + 1, name, *values])

    def _measure(self):
        per_class = self.model.pseudo_label_quality.per_class()
        return {name: np.asarray(values) for name, values in per_class.items()}


def _written(value):
    return "" if np.isnan(value) else f"{value:.4f}".rstrip("0").rstrip(".")


def _is_finite(value):
    return bool(np.all(np.isfinite(np.asarray(value))))
