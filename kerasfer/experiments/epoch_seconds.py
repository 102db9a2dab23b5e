"""How long the training of an epoch takes, its validation left out."""

import statistics
import time

import keras


class EpochSeconds(keras.callbacks.Callback):
    """Seconds of each epoch, from its start to its last batch.

    Attributes:
        seconds: of each epoch's training.
        total: of all epochs with what their ends take; over all parts of a run.
    """

    def __init__(self):
        super().__init__()
        self.seconds, self.total = [], 0.0

    def get_state(self):
        return {"seconds": self.seconds, "total": self.total}

    def set_state(self, state):
        self.seconds, self.total = state["seconds"], state["total"]

    def on_train_begin(self, logs=None):
        self.mark = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.now = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(self.now - self.start)
        last, self.mark = self.mark, time.monotonic()
        self.total += self.mark - last

    def median(self):
        """Over all epochs but the first, which builds the graph."""
        return statistics.median(self.seconds[1:] or self.seconds)
