"""A stop where the loss is no number any more, with the likely cause."""

import math

import keras
import numpy as np

_GROWN = 10.0  # times its lowest value: it did not come at once


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is NaN or infinite, by an error. `fit` adds it by itself.

    Raises:
        FloatingPointError: at the end of the first batch with such a loss; with the
            parts of the loss that are not finite and the likely cause, by whether it
            had grown before.
    """

    def on_train_begin(self, logs=None):
        self.losses, self.total = [], 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.total = 0.0

    def on_train_batch_end(self, batch, logs=None):
        logs = logs or {}
        loss = logs.get("loss", 0.0)
        if math.isfinite(loss):
            # Logs are means over the epoch so far.
            here = loss * (batch + 1) - self.total
            self.total += here
            self.losses = [min([abs(here), *self.losses[:1]]), abs(here)]
            return
        broken = [n for n, v in logs.items() if n != "loss" and not _is_finite(v)]
        raise FloatingPointError(
            f"The loss is {loss} at step {batch + 1} of the epoch; not finite: "
            f"{', '.join(broken) or 'none of its parts alone'}. {self._likely_cause()} "
            "The last good weights are those of the last checkpoint."
        )

    def _likely_cause(self):
        if not self.losses:
            return (
                "It was so from the first step. Usual causes: labels or images that "
                "are not finite, a `supervised_loss` that gives NaN, a loss weight or "
                "learning rate that is far too large."
            )
        lowest, last = self.losses
        if last > _GROWN * max(lowest, 1e-6):
            return (
                f"It had grown from {lowest:.3g} to {last:.3g}: the training diverged. "
                "Usual causes: a learning rate that is too high, a loss weight that is "
                "too large. Lower the one or the other, first by ten."
            )
        return (
            f"It had been {last:.3g} the step before: it broke at once. Usual causes: "
            "a learning rate that is far too high, an image or label in the batch that "
            "is not finite, a `supervised_loss` that takes the logarithm of 0; under "
            "float16, a number above 65504 inside of the network (bfloat16 has no such "
            "limit)."
        )


def _is_finite(value):
    return bool(np.all(np.isfinite(np.asarray(value))))
