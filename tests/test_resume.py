"""--resume of a recipe whose process was killed."""

import os
import random
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from recipe_runs import RECIPES, run, write_noise

QUICK = [
    "--protocol", "balanced:labels=12", "--image-size", 16, "--batch-size", 6,
    "--epochs", 6, "--steps-per-epoch", 2, "--seeds", 0,
]  # fmt: skip
TEXTS = ("metrics.csv", "pseudo_labels.csv", "predictions_test.csv", "split.csv")


def weights(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: item[()]} if isinstance(item, h5py.Dataset) else {}
            )
        )
    return found


def assert_same_run(one, other):
    for name in TEXTS:
        if (one / name).exists():
            assert (one / name).read_text() == (other / name).read_text(), name
    for name in ("best.weights.h5", "last.weights.h5"):
        ours, theirs = weights(one / name), weights(other / name)
        assert ours.keys() == theirs.keys()
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])
    assert not (one / "checkpoints").exists()


def folder_of(out):
    (result,) = out.rglob("result.json")
    return result.parent


@pytest.mark.slow
def test_kills_change_no_bit(tmp_path):
    flags = ["--manifest", write_noise(tmp_path), *QUICK, "--scheme", "fixmatch"]
    code, output = run(*flags, "--out", tmp_path / "whole", recipe="baselines")
    assert code == 0, output
    arguments = [*flags, "--out", tmp_path / "parts", "--resume"]
    command = [sys.executable, RECIPES / "baselines.py", *map(str, arguments)]
    dice, kills = random.Random(1), 0
    checkpoints = folder_of(tmp_path / "whole") / "checkpoints"
    checkpoints = tmp_path / "parts" / checkpoints.relative_to(tmp_path / "whole")
    for epochs in (1, 2, 4):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            if (checkpoints / f"epoch-{epochs:06d}").exists():
                break
        time.sleep(dice.random() * 0.1)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2
    code, output = run(*arguments, recipe="baselines")
    assert code == 0 and "of 6 epochs" in output, output
    assert_same_run(folder_of(tmp_path / "parts"), folder_of(tmp_path / "whole"))


def test_what_cannot_be_gone_on_with(tmp_path):
    flags = ["--manifest", write_noise(tmp_path), *QUICK, "--scheme", "supervised"]
    flags += ["--out", tmp_path / "runs", "--epochs", 1]
    code, output = run(*flags, recipe="baselines")
    assert code == 0, output
    folder = folder_of(tmp_path / "runs")
    (folder / "result.json").unlink()
    (folder / "checkpoints/epoch-000001").mkdir(parents=True)
    before = sorted(folder.rglob("*"))
    code, output = run(*flags, "--resume", recipe="baselines")
    assert code == 1 and "Checkpoint" in output and "is damaged" in output
    code, output = run(*flags, "--resume", "--ema-decay", 0.5, recipe="baselines")
    assert code == 1 and "begun with another configuration: ema_decay" in output
    assert sorted(folder.rglob("*")) == before
    (folder / "checkpoints/epoch-000001").rmdir()
    code, output = run(*flags, "--resume", recipe="baselines")
    assert code == 0 and "moved to" in output, output  # no epoch of it was whole
