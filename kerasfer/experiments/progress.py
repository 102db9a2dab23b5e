"""Progress of a training and of many runs: a bar on a terminal, lines elsewhere."""

import contextlib
import sys
import time

# Of all the numbers of an epoch, which stand in metrics.csv.
_SHOWN = (
    "loss", "accuracy", "f1", "mask_rate", "pseudo_label_accuracy", "val_loss",
    "val_accuracy", "val_mean_class_accuracy", "val_f1",
)  # fmt: skip


def progress_of_epochs(description):
    """A Keras callback that shows epochs, their numbers and the time left."""
    return _bar(description) if sys.stderr.isatty() else _lines(description)


def _bar(description):
    from tqdm.keras import TqdmCallback

    bar = TqdmCallback(verbose=0, desc=description)
    show = bar.on_epoch_end  # of the object: a subclass would not change it

    def on_epoch_end(epoch, logs=None):
        show(epoch, _shown(logs))

    bar.on_epoch_end = on_epoch_end
    return bar


def _lines(description):
    import keras

    class Lines(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.monotonic()

        def on_epoch_end(self, epoch, logs=None):
            numbers = [f"{name} {value:.4g}" for name, value in _shown(logs).items()]
            seconds = f"{time.monotonic() - self.begun:.1f} s"
            which = f"{description}: epoch {epoch + 1} of {self.params['epochs']}"
            print(", ".join([which, seconds, *numbers]), file=sys.stderr, flush=True)

    return Lines()


def _shown(logs):
    return {name: value for name, value in (logs or {}).items() if name in _SHOWN}


@contextlib.contextmanager
def count_bar(total, unit):
    """Gives a function to call with how many more are done."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        with tqdm(total=total, unit=unit, disable=not total) as bar:
            yield bar.update
        return
    done, begun = 0, time.monotonic()

    def update(more):
        nonlocal done
        done += more
        minutes = (time.monotonic() - begun) / 60
        text = f"{done} of {total} {unit} after {minutes:.1f} minutes"
        print(text, file=sys.stderr, flush=True)

    yield update
