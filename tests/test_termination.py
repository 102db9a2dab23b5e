"""SIGTERM: a run ends with its epoch and goes on later; nobody is left behind."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from support.recipe_runs import RECIPES, run, write_noise
from support.resumed_runs import assert_same_run, folder_of

QUICK = [
    "--protocol", "balanced:labels=12", "--image-size", 16, "--batch-size", 6,
    "--epochs", 40, "--steps-per-epoch", 2, "--seeds", 0, "--scheme", "supervised",
    "--no-report",
]  # fmt: skip
STUDY = (
    "title: mine\nrecipe: baselines\nmetrics: {accuracy: overall}\n"
    "settings: {few: {}}\nmethods: {supervised: {scheme: supervised}}\n"
)


def begun(folder, seconds=240):
    """Waits for the first checkpoint below a folder."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(folder.rglob("checkpoints/epoch-*")):
            return
        time.sleep(0.02)
    raise AssertionError(f"nothing began below {folder}")


def started(*words, cwd):
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_in(folder):
    """Ids of the processes whose working directory is a folder."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(folder):
                found.add(int(process.name))
        except OSError:
            continue
    return found


def none_left(folder, seconds=60):
    end = time.monotonic() + seconds
    while left := processes_in(folder):
        if time.monotonic() > end:
            return left
        time.sleep(0.1)
    return left


@pytest.mark.slow
def test_a_run_ends_with_its_epoch_and_goes_on_to_the_same_bits(tmp_path):
    flags = ["--manifest", write_noise(tmp_path), *QUICK]
    code, output = run(*flags, "--out", tmp_path / "whole", recipe="baselines")
    assert code == 0, output
    arguments = [*flags, "--out", tmp_path / "parts", "--resume"]
    process = started(RECIPES / "baselines.py", *arguments, cwd=tmp_path)
    begun(tmp_path / "parts")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert "Ended by SIGTERM after epoch" in output and "with --resume" in output
    assert "Traceback" not in output
    code, output = run(*arguments, recipe="baselines")
    assert code == 0 and "goes on after" in output, output
    assert_same_run(folder_of(tmp_path / "parts"), folder_of(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_runs_of_a_study_end_with_it(tmp_path, how):
    (tmp_path / "mine.yaml").write_text(STUDY)
    words = ["-m", "kerasfer", "study", "mine.yaml", "--jobs", "2", "--seeds", "0", "1"]
    words += ["--", *map(str, QUICK[:-7]), "--epochs", "4000", "--steps-per-epoch", "2"]
    words += ["--rendered-faces", "120", "--no-report"]
    process = started(*words, cwd=tmp_path)
    begun(tmp_path / "runs")
    assert len(processes_in(tmp_path)) >= 3
    process.send_signal(how)
    process.wait(timeout=120)
    assert process.returncode == (143 if how == signal.SIGTERM else -9)
    assert not none_left(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_data_workers_and_their_memory_go_too(tmp_path, how):
    before = set(os.listdir("/dev/shm"))
    arguments = ["--manifest", write_noise(tmp_path), *QUICK, "--data-workers", 2]
    arguments += ["--epochs", 4000]
    process = started(RECIPES / "baselines.py", *arguments, cwd=tmp_path)
    begun(tmp_path / "runs")
    assert len(processes_in(tmp_path)) >= 3
    process.send_signal(how)
    process.communicate(timeout=120)
    assert not none_left(tmp_path)
    assert set(os.listdir("/dev/shm")) <= before
