"""Recipes that start from dlib's network: bfloat16, a kill, replicas, statistics."""

import csv
import signal
import subprocess
import sys
import time

import pytest
from support.dlib_files import write_dlib
from support.recipe_runs import RECIPES, run, write_noise
from support.resumed_runs import assert_same_run, folder_of

FLAGS = [
    "--config", RECIPES / "pretrained.yaml", "--protocol", "balanced:labels=12",
    "--image-size", 48, "--batch-size", 6, "--unlabeled-ratio", 1, "--seeds", 0,
    "--scheme", "fixmatch", "--no-report",
]  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture
def flags(tmp_path):
    weights = write_dlib(tmp_path / "network.dat")
    return [*FLAGS, "--manifest", write_noise(tmp_path), "--backbone-weights", weights]


def first_loss(folder):
    with open(folder / "metrics.csv") as file:
        return float(next(csv.DictReader(file))["loss"])


def test_a_kill_changes_no_bit_in_bfloat16(flags, tmp_path):
    flags += ["--epochs", 3, "--steps-per-epoch", 2]
    code, output = run(*flags, "--out", tmp_path / "whole", recipe="baselines")
    assert code == 0, output
    whole = folder_of(tmp_path / "whole")
    parts = tmp_path / "parts" / whole.relative_to(tmp_path / "whole")
    arguments = [*flags, "--out", tmp_path / "parts", "--resume"]
    command = [sys.executable, RECIPES / "baselines.py", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not (parts / "checkpoints/epoch-000001").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    code, output = run(*arguments, recipe="baselines")
    assert code == 0 and "of 3 epochs" in output, output
    assert_same_run(parts, whole)


def test_two_replicas_begin_as_one(flags, tmp_path):
    """With synchronised statistics: the loss of the first step, from statistics of the
    same faces."""
    flags += ["--mixed-precision", "off", "--epochs", 1, "--steps-per-epoch", 1]
    flags += ["--sync-batch-norm"]
    losses = []
    for name, more in {
        "one": [],
        "two": ["--strategy", "mirrored", "--replicas", 2],
    }.items():
        out = tmp_path / name
        code, output = run(*flags, *more, "--out", out, recipe="baselines")
        assert code == 0, output
        losses.append(first_loss(folder_of(out)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
