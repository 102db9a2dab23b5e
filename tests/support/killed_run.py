"""A run of a scheme whose process is killed again and again; a program for test_kills.

    python tests/support/killed_run.py SCHEME PLUG_IN FOLDER KILLS SEED

Writes FOLDER/whole, undisturbed, and FOLDER/parts, killed at random moments, and prints
the epochs that were done at each kill. Each training is a process of its own, a copy of
this one, which has imported TensorFlow and run nothing.
"""

import os
import pathlib
import random
import select
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf

from kerasfer.callbacks import EpochUpdate, PseudoLabelAudit, SaveWeights
from kerasfer.callbacks.checkpoint import Checkpoint, last_checkpoint
from kerasfer.data import evaluation_dataset, training_dataset
from support.contract import build
from support.contract_cases import LABELED, PLUG_INS, SCHEMES, UNLABELED

EPOCHS, STEPS = 60, 2


def train(scheme, plug_in, folder, ready):
    """The run in a folder, from where it was left; a byte tells its first epoch."""
    folder.mkdir(exist_ok=True)
    model = build(SCHEMES[scheme], PLUG_INS[plug_in], keras.optimizers.Adam(0.01))
    metrics, audit = folder / "metrics.csv", folder / "pseudo_labels.csv"
    best = SaveWeights(folder / "best.weights.h5", "val_loss", "min")
    waiting = keras.callbacks.EarlyStopping("val_loss", patience=EPOCHS)
    checkpoint = Checkpoint(
        folder / "checkpoints",
        {"scheme": scheme, "plug_in": plug_in},
        [best, waiting],
        [best.path, metrics, audit],
    )
    done = checkpoint.resume(model)

    def begun(epoch, logs=None):
        if epoch == done:
            os.write(ready, b".")

    model.fit(
        training_dataset(
            LABELED,
            UNLABELED,
            (*model.all_views, "audit_label"),
            batch_size=4,
            seed=3,
            start_step=done * STEPS,
        ),
        validation_data=evaluation_dataset(LABELED),
        initial_epoch=done,
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        verbose=0,
        callbacks=[
            EpochUpdate(evaluation_dataset(LABELED), evaluation_dataset(UNLABELED)),
            best,
            waiting,
            PseudoLabelAudit(audit, LABELED.class_names),
            keras.callbacks.CSVLogger(str(metrics), append=done > 0),
            checkpoint,
            keras.callbacks.LambdaCallback(on_epoch_end=begun),
        ],
    )
    arrays = [np.asarray(tf.convert_to_tensor(v)) for v in all_variables(model)]
    np.savez(folder / "end.npz", *arrays)


def all_variables(model):
    of_optimizer = model.optimizer.variables
    # A method on Keras 2.15.
    return [
        *model.variables,
        *(of_optimizer() if callable(of_optimizer) else of_optimizer),
    ]


def started(scheme, plug_in, folder):
    """Process id of a training in a copy of this process, and the pipe of its byte."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            train(scheme, plug_in, folder, writing)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    os.close(writing)
    return process, reading


def killed_after(process, seconds):
    """Kills a process some time from now; whether it was still there."""
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def main():
    scheme, plug_in, folder, kills, seed = sys.argv[1:]
    folder, rng = pathlib.Path(folder), random.Random(int(seed))
    begin = time.monotonic()
    process, reading = started(scheme, plug_in, folder / "whole")
    select.select([reading], [], [])
    start_seconds = time.monotonic() - begin
    if os.waitpid(process, 0)[1] != 0:
        raise SystemExit("The undisturbed run failed.")
    epoch_seconds = (time.monotonic() - begin - start_seconds) / EPOCHS
    for kill in range(int(kills)):
        process, reading = started(scheme, plug_in, folder / "parts")
        if kill % 4 == 3:  # while it reads its checkpoint and builds its graphs
            seconds = rng.random() * start_seconds
        else:
            select.select([reading], [], [])
            seconds = rng.random() * 2 * epoch_seconds
        if not killed_after(process, seconds):
            raise SystemExit(f"The run ended before kill {kill + 1}.")
        place = last_checkpoint(folder / "parts/checkpoints")
        print(int(place.name.removeprefix("epoch-")) if place else 0, flush=True)
    process, _ = started(scheme, plug_in, folder / "parts")
    raise SystemExit(0 if os.waitpid(process, 0)[1] == 0 else "The last part failed.")


if __name__ == "__main__":
    main()
