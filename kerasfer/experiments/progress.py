"""Progress bars: of a training, of many runs."""

import contextlib

# Of all the numbers of an epoch, which stand in metrics.csv.
_SHOWN = (
    "loss", "accuracy", "f1", "mask_rate", "pseudo_label_accuracy", "val_loss",
    "val_accuracy", "val_mean_class_accuracy", "val_f1",
)  # fmt: skip


def progress_bar(description):
    """A Keras callback that shows epochs, their numbers and the time left."""
    from tqdm.keras import TqdmCallback

    bar = TqdmCallback(verbose=0, desc=description)
    show = bar.on_epoch_end  # of the object: a subclass would not change it

    def on_epoch_end(epoch, logs=None):
        show(epoch, {n: v for n, v in (logs or {}).items() if n in _SHOWN})

    bar.on_epoch_end = on_epoch_end
    return bar


@contextlib.contextmanager
def count_bar(total, unit):
    """Gives a function to call with how many more are done."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, disable=not total) as bar:
        yield bar.update
