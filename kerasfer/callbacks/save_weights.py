"""Weights on disk, every epoch or the best."""

import math
import pathlib
from typing import Any

import keras

from kerasfer.safe_write import atomic_write, require_room
from kerasfer.types import PathLike

_SPARE = 2**20  # bytes of a file beside its arrays


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

    >>> SaveWeights("best.weights.h5", monitor="val_accuracy")
    """

    def __init__(
        self, path: PathLike, monitor: str | None = None, mode: str = "max"
    ) -> None:
        super().__init__()
        if mode not in ("max", "min"):
            raise ValueError(f"`mode` must be 'max' or 'min'. Received: {mode!r}.")
        self.path, self.monitor, self.mode = pathlib.Path(path), monitor, mode
        self.best: Any = None
        self.best_epoch: int | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.monitor is not None:
            logs = logs or {}
            if self.monitor not in logs:
                raise ValueError(
                    f"`monitor` must be one of {', '.join(logs)}. Received: "
                    f"{self.monitor!r}."
                )
            value = float(logs[self.monitor])
            if self.best is not None and not self._is_better(value):
                return
            self.best, self.best_epoch = value, epoch + 1
        size = sum(4 * math.prod(weight.shape) for weight in self.model.weights)
        require_room(self.path.parent, 1.1 * size + _SPARE)
        with atomic_write(self.path) as temporary:
            self.model.save_weights(temporary)

    def _is_better(self, value):
        return value > self.best if self.mode == "max" else value < self.best
