"""Seconds of an epoch with distilled images among the faces over those without.

    python tests/benchmarks/distilled_epoch.py

Both models are trained by turns in one process, epoch by epoch, and the medians are
compared: other work on the machine then meets both alike.
"""

import statistics
import time

import keras
import numpy as np

import kerasfer
from kerasfer.data import protocols, synthetic, training_dataset, with_distilled

_LABELS, _BATCH, _EPOCHS = 2048, 64, 15


def main():
    faces = synthetic.render_manifest(4000, seed=0)
    split = protocols.split(faces, f"random:labels={_LABELS}", seed=0)
    plain = training_dataset(split.labeled, batch_size=_BATCH)
    images = np.random.default_rng(0).normal(127.5, 64, (8, 48, 48, 3))
    mixed = with_distilled(plain, images, np.arange(8), _LABELS)
    runs = {
        "baseline": stepper(plain, faces),
        "with distilled images": stepper(mixed, faces),
    }
    seconds = {name: [] for name in runs}
    for epoch in range(_EPOCHS + 1):
        for name, run in runs.items():
            start = time.monotonic()
            run()
            if epoch:  # the first builds the graph
                seconds[name].append(time.monotonic() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.3f} s an epoch of {_LABELS} faces")
    first, second = medians.values()
    print(f"ratio {second / first:.3f}")


def stepper(dataset, faces):
    """A function that trains one epoch."""
    keras.utils.set_random_seed(0)
    classifier = kerasfer.build_classifier("compact", (48, 48, 3), faces.num_classes)
    model = kerasfer.schemes.Supervised(classifier)
    model.compile(keras.optimizers.Adam(1e-3))
    batches, steps = iter(dataset), _LABELS // _BATCH
    train = model.make_train_function()

    def epoch():
        for _ in range(steps):
            (model.train_function or train)(batches)

    return epoch


if __name__ == "__main__":
    main()
