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
from support.checkpoint_runs import (
    FACES,
    RUN,
    Killed,
    left_after,
    model_of,
    trained,
)

from kerasfer.callbacks.checkpoint import Checkpoint, last_checkpoint
from kerasfer.data import training_dataset
from kerasfer.schemes import AdaCM


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
    from support import checkpoint_runs
    checkpoint_runs.trained(pathlib.Path(sys.argv[2]))
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
