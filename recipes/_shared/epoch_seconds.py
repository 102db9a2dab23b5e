"""How long the training of an epoch takes, its validation left out."""

import statistics
import time

import keras


class EpochSeconds(keras.callbacks.Callback):
    """Seconds of each epoch, from its start to its last batch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.now = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(self.now - self.start)

    def median(self):
        """Over all epochs but the first, which builds the graph."""
        return statistics.median(self.seconds[1:] or self.seconds)
