"""Checkpoints: what is kept, what is refused; the contract has them for each scheme."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from conftest import dense_classifier, random_faces

from kerasfer.callbacks import EpochUpdate, PseudoLabelAudit, SaveWeights
from kerasfer.callbacks.checkpoint import Checkpoint, last_checkpoint
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import AdaCM, FixMatch

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


def everything(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [np.asarray(v) for v in variables]


def assert_same(ours, theirs):
    for one, other in zip(everything(ours), everything(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, *trained(folder)


@pytest.mark.parametrize("until", [1, 3, 4])
def test_a_run_in_two_parts_is_one_run(undisturbed, tmp_path, until):
    whole, model, best, counting = undisturbed
    left_after(tmp_path, until)
    again, best_again, counting_again = trained(tmp_path)
    assert_same(again, model)
    assert (best_again.best, best_again.best_epoch) == (best.best, best.best_epoch)
    assert counting_again.names == [f"epoch {k}" for k in range(4)]
    assert (counting_again.best, counting_again.waited) == (
        counting.best,
        counting.waited,
    )
    for name in ("metrics.csv", "pseudo_labels.csv"):
        assert (tmp_path / name).read_text() == (whole / name).read_text()


def test_a_kill_inside_of_an_epoch_leaves_no_trace(undisturbed, tmp_path):
    """Files and weights of an epoch whose checkpoint was not written are undone."""
    whole, model, best, _ = undisturbed

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, before=[Killed(3)])
    assert last_checkpoint(tmp_path / "checkpoints").name == "epoch-000002"
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 1 + 3
    (tmp_path / "checkpoints/.writing-1-epoch-000003").mkdir()
    again, best_again, _ = trained(tmp_path)
    assert_same(again, model)
    assert best_again.best_epoch == best.best_epoch
    assert (tmp_path / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    kept = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert kept == ["epoch-000003", "epoch-000004"]


@pytest.mark.parametrize("file", ["checkpoint.json", "variables.npz"])
@pytest.mark.parametrize("damage", ["empty", "gone", "a byte"])
def test_a_damaged_newest_checkpoint_costs_one_epoch(
    undisturbed, tmp_path, file, damage
):
    whole, model, *_ = undisturbed
    left_after(tmp_path, 3)
    path = tmp_path / "checkpoints/epoch-000003" / file
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(b"" if damage == "empty" else b"?" + content[1:])
    with pytest.warns(UserWarning, match="epoch-000003 is damaged.*from epoch-000002"):
        again, *_ = trained(tmp_path)
    assert_same(again, model)
    assert (tmp_path / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()


def test_all_damaged_is_an_error(tmp_path):
    left_after(tmp_path, 3)
    for place in (tmp_path / "checkpoints").iterdir():
        (place / "variables.npz").write_bytes(b"")
    with pytest.raises(ValueError, match="epoch-000003 is damaged: variables.npz is"):
        last_checkpoint(tmp_path / "checkpoints")


def test_a_full_disk_is_said_before_a_file_is_begun(tmp_path, monkeypatch):
    left_after(tmp_path, 1)
    before = sorted(tmp_path.rglob("*"))
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="0 MiB left, and [0-9]+ are needed") as error:
        trained(tmp_path)
    assert error.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert sorted(p for p in tmp_path.rglob("*") if p.name != "metrics.csv") == [
        p for p in before if p.name != "metrics.csv"
    ]
    trained(tmp_path)  # there is room again


def test_files_are_put_back_to_the_checkpoint(tmp_path):
    left_after(tmp_path, 2)
    kept = (tmp_path / "best.weights.h5").read_bytes()
    (tmp_path / "best.weights.h5").write_bytes(b"of an epoch that was cut off")
    model, log = model_of(), tmp_path / "later.csv"
    log.write_text("not there when the checkpoint was written")
    files = [tmp_path / n for n in ("best.weights.h5", "metrics.csv")]
    place = tmp_path / "checkpoints"
    checkpoint = Checkpoint(place, RUN, [], [*files, tmp_path / "nothing.csv", log])
    assert checkpoint.resume(model) == 2
    assert files[0].read_bytes() == kept and not log.exists()


def test_what_is_not_this_runs_checkpoint_is_refused(tmp_path):
    left_after(tmp_path, 1)
    place = last_checkpoint(tmp_path / "checkpoints")
    before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
    about = json.loads((place / "checkpoint.json").read_text())

    def refused(error, run=RUN, model=None):
        own = model or model_of()
        weights = [np.asarray(w) for w in own.variables]
        with pytest.raises(ValueError, match=error):
            Checkpoint(tmp_path / "checkpoints", run).resume(own)
        for weight, variable in zip(weights, own.variables, strict=True):
            np.testing.assert_array_equal(weight, np.asarray(variable))

    refused("is of another run, with other method, seed", {"seed": 1, "method": "x"})
    refused("a model with other variables: .* there, .* here", model=model_of(AdaCM))
    refused(
        "a model with other variables",
        model=model_of(optimizer=keras.optimizers.SGD(0.1)),
    )
    (place / "checkpoint.json").write_text(json.dumps({**about, "format": 99}))
    refused("has format 99, written by kerasfer .*this version reads format 1")
    for text in ("", "[]", "{", json.dumps({"format": 1})):
        (place / "checkpoint.json").write_text(text)
        refused("is damaged .*to start the run anew")
    (place / "checkpoint.json").write_bytes(before[place / "checkpoint.json"])
    for name in ("variables.npz", "files/0"):
        if place / name in before:
            content = bytearray(before[place / name])
            content[len(content) // 2] ^= 1
            (place / name).write_bytes(bytes(content))
            refused(f"damaged: {name} is not what was written")
            (place / name).unlink()
            refused(f"damaged: {name} is not what was written")
            (place / name).write_bytes(before[place / name])
    assert Checkpoint(tmp_path / "checkpoints", RUN).resume(model_of()) == 1


def test_a_new_run_begins_at_its_first_epoch(tmp_path):
    assert last_checkpoint(tmp_path / "none") is None
    assert Checkpoint(tmp_path / "none", RUN).resume(model_of()) == 0


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_loss_scale_and_masters_are_kept(tmp_path, precision):
    keras.mixed_precision.set_global_policy(precision)
    try:
        whole, *_ = trained(tmp_path / "whole")
        left_after(tmp_path / "parts", 2)
        again, *_ = trained(tmp_path / "parts")
        assert_same(again, whole)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_early_stopping_goes_on_waiting(tmp_path):
    def run(folder, until):
        model = model_of()
        stop = keras.callbacks.EarlyStopping("steady", patience=3, mode="max")
        checkpoint = Checkpoint(folder, RUN, [stop])
        done = checkpoint.resume(model)
        steady = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: logs.update(steady=1.0)
        )
        history = model.fit(
            training_dataset(FACES, FACES, model.all_views, 6, start_step=done),
            initial_epoch=done,
            epochs=until,
            steps_per_epoch=1,
            verbose=0,
            callbacks=[steady, stop, checkpoint],
        )
        return done + len(history.epoch)

    assert run(tmp_path / "whole", 9) == 4  # the best was the first, then three
    assert run(tmp_path / "parts", 2) == 2
    assert run(tmp_path / "parts", 9) == 4


KILLED = """
    import pathlib, sys
    sys.path.insert(0, sys.argv[1])
    import test_checkpoints
    test_checkpoints.trained(pathlib.Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.2])
def test_a_killed_process(undisturbed, tmp_path, moment):
    """SIGKILL some time after the first checkpoint stands; then the rest is trained."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(KILLED))
    folder = tmp_path / "run"
    arguments = [sys.executable, str(script), os.path.dirname(__file__), str(folder)]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    while process.poll() is None and last_checkpoint(folder / "checkpoints") is None:
        pass
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    again, *_ = trained(folder)
    assert_same(again, undisturbed[1])
    whole = undisturbed[0] / "metrics.csv"
    assert (folder / "metrics.csv").read_text() == whole.read_text()
