"""Runs with checkpoints, stopped where a test wants."""

import keras
import pytest

from kerasfer.callbacks import EpochUpdate, PseudoLabelAudit, SaveWeights
from kerasfer.callbacks.checkpoint import Checkpoint
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import FixMatch
from support.toys import dense_classifier, random_faces

FACES = random_faces(24, side=4)
RUN = {"seed": 0, "method": "FixMatch"}
STEPS = 2


class Counting(keras.callbacks.Callback):
    """Remembers in attributes, as Keras' own callbacks do, and forgets at a start."""

    def on_train_begin(self, logs=None):
        self.best, self.waited, self.names = None, 0, []

    def on_epoch_end(self, epoch, logs=None):
        if self.best is None or logs["loss"] < self.best:
            self.best, self.waited = logs["loss"], 0
        self.waited += 1
        self.names.append(f"epoch {epoch}")


def model_of(scheme=FixMatch, optimizer=None, **options):
    keras.utils.set_random_seed(3)
    model = scheme(dense_classifier(), **options)
    model.compile(
        optimizer or keras.optimizers.Adam(0.01),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


class Killed(keras.callbacks.Callback):
    """Ends `fit` at the end of an epoch, counted from 1."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.epoch:
            raise KeyboardInterrupt


def left_after(folder, epoch):
    """A run of four epochs that ends when some are done."""
    with pytest.raises(KeyboardInterrupt):
        trained(folder, after=[Killed(epoch)])


def trained(folder, model=None, run=RUN, epochs=4, before=(), after=()):
    """A run in a folder, from where it was left; with callbacks before and after its
    checkpoint."""
    folder.mkdir(exist_ok=True)
    model = model or model_of()
    best = SaveWeights(folder / "best.weights.h5", "val_accuracy")
    counting, audit = Counting(), folder / "pseudo_labels.csv"
    log = folder / "metrics.csv"
    checkpoint = Checkpoint(
        folder / "checkpoints", run, [best, counting], [best.path, log, audit]
    )
    done = checkpoint.resume(model)
    model.fit(
        training_dataset(
            FACES, FACES, model.all_views, 6, seed=1, start_step=done * STEPS
        ),
        validation_data=evaluation_dataset(FACES),
        initial_epoch=done,
        epochs=epochs,
        steps_per_epoch=STEPS,
        verbose=0,
        callbacks=[
            EpochUpdate(evaluation_dataset(FACES)),
            best,
            counting,
            PseudoLabelAudit(audit, FACES.class_names),
            keras.callbacks.CSVLogger(str(log), append=done > 0),
            *before,
            checkpoint,
            *after,
        ],
    )
    return model, best, counting
