"""--resume of a recipe whose process was killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import yaml
from support.recipe_runs import RECIPES, TINY, run, write_noise
from support.resumed_runs import assert_same_run, folder_of

QUICK = [
    "--protocol", "balanced:labels=12", "--image-size", 16, "--batch-size", 6,
    "--epochs", 6, "--steps-per-epoch", 2, "--seeds", 0, *TINY,
]  # fmt: skip


@pytest.mark.slow
def test_kills_change_no_bit(tmp_path):
    flags = ["--manifest", write_noise(tmp_path), *QUICK, "--scheme", "fixmatch"]
    code, output = run(*flags, "--out", tmp_path / "whole", recipe="baselines")
    assert code == 0, output
    arguments = [*flags, "--out", tmp_path / "parts", "--resume"]
    command = [sys.executable, RECIPES / "baselines.py", *map(str, arguments)]
    rng, kills = random.Random(1), 0
    checkpoints = folder_of(tmp_path / "whole") / "checkpoints"
    checkpoints = tmp_path / "parts" / checkpoints.relative_to(tmp_path / "whole")
    for epochs in (1, 2, 4):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            if (checkpoints / f"epoch-{epochs:06d}").exists():
                break
        time.sleep(rng.random() * 0.1)
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


def test_a_run_is_its_data_too(tmp_path):
    """Rows that changed their part or label: refused, resumed and finished alike."""
    manifest = write_noise(tmp_path)
    flags = ["--manifest", manifest, *QUICK, "--scheme", "supervised", "--no-report"]
    flags += ["--out", tmp_path / "runs"]
    code, output = run(*flags, recipe="baselines")
    assert code == 0, output
    folder = folder_of(tmp_path / "runs")
    split = (folder / "split.csv").read_text()
    code, output = run(*flags, recipe="baselines")
    assert code == 0 and "is finished" in output
    lines = manifest.read_text().splitlines()
    name = next(line for line in split.splitlines() if line.startswith("labeled"))
    name = name.split(",")[1]
    other = {"anger": "fear", "fear": "neutral", "neutral": "anger"}
    for k, line in enumerate(lines):
        path, label = line.split(",")
        if path == name:
            lines[k] = f"{path},{other[label]}"
    manifest.write_text("\n".join(lines) + "\n")
    for more in ([], ["--resume"]):
        code, output = run(*flags, *more, recipe="baselines")
        assert code == 1 and "error: The faces are not those of" in output, output
        assert (folder / "split.csv").read_text() == split


@pytest.mark.parametrize("broken", ["form", "classes", "files", "test set"])
def test_what_a_run_ends_with_is_checked_before_its_first_step(tmp_path, broken):
    manifest = write_noise(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("path,label\n0.png,anger\n1.png,fear\n")
    test, error = f"other={other}", ""
    if broken == "form":
        test, error = str(other), "expected NAME=MANIFEST.csv"
    elif broken == "classes":
        other.write_text("path,label\n0.png,pain\n")
        error = "--test other: fewer than two classes"
    elif broken == "files":
        other.write_text("path,label\n0.png,anger\ngone.png,fear\n")
        error = "gone.png"
    else:
        head, *lines = manifest.read_text().splitlines()
        parts = ["train" if k % 5 else "validation" for k in range(len(lines))]
        lines = [f"{line},{part}" for line, part in zip(lines, parts, strict=True)]
        manifest.write_text("\n".join([f"{head},split", *lines]) + "\n")
        error = "The test set has no face. Expected rows with split test"
    flags = ["--manifest", manifest, *QUICK, "--scheme", "supervised", "--test", test]
    code, output = run(*flags, "--out", tmp_path / "runs", recipe="baselines")
    assert code == 1 and error in output and "Traceback" not in output, output
    assert not list(tmp_path.rglob("metrics.csv"))


def test_other_data_sets_are_tested_on_later_too(tmp_path):
    """A finished run is tested on a new set, and on one whose labels were corrected;
    nothing is trained again, and what its flags no longer name stays."""
    manifest = write_noise(tmp_path)
    for name, labels in (("one", "anger fear"), ("two", "neutral fear")):
        rows = [f"{k}.png,{label}" for k, label in enumerate(labels.split())]
        (tmp_path / f"{name}.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    flags = ["--manifest", manifest, *QUICK, "--scheme", "supervised"]
    flags += ["--selections", "last", "--out", tmp_path / "runs"]

    def result_with(*tests):
        more = ["--test", *(f"{n}={tmp_path / n}.csv" for n in tests)] if tests else []
        code, output = run(*flags, *more, recipe="baselines")
        assert code == 0, output
        folder = folder_of(tmp_path / "runs")
        config = yaml.safe_load((folder / "config.yaml").read_text())
        assert [t.partition("=")[0] for t in config["test"]] == sorted(
            json.loads((folder / "result.json").read_text()).get("tests", {})
        )
        return json.loads((folder / "result.json").read_text()), output

    without, _ = result_with()
    assert "tests" not in without
    first, output = result_with("one")
    assert "is finished; it is tested on one" in output
    assert first["one_images"] == 2 and first["one_accuracy"] in (0, 0.5, 1)
    assert {k: first[k] for k in without} == without  # the test set was not read again
    folder = folder_of(tmp_path / "runs")
    assert "one" in (folder / "report.html").read_text()
    again, output = result_with("one")
    assert again == first and "tested on" not in output
    (tmp_path / "one.csv").write_text("path,label\n0.png,anger\n1.png,fear\n2.png,fear")
    corrected, output = result_with("one", "two")
    assert "tested on one" in output and "tested on two" in output
    assert corrected["one_images"] == 3 and corrected["two_images"] == 2
    assert corrected["tests"]["one"] != first["tests"]["one"]


def test_a_run_notes_the_commit_and_all_versions(tmp_path):
    from kerasfer.experiments import runs

    env = runs.environment()
    assert env["packages"]["tensorflow"] == env["tensorflow"]
    assert {"keras", "pandas", "kerasfer"} <= env["packages"].keys()
    assert runs._commit(tmp_path / "kerasfer") is None  # an installed package

    def git(*words):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "file").write_text("a")
    git("init")
    git("add", "file")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD").stdout.decode().strip()
    assert runs._commit(tmp_path / "kerasfer") == commit
    (tmp_path / "file").write_text("b")
    assert runs._commit(tmp_path / "kerasfer") == commit + "+"


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_an_error_takes_away_no_finished_run(error, tmp_path):
    """Not even one that never trained, such as HOG's, which has no metrics.csv."""
    from kerasfer.experiments import devices, locking, output, training

    one = devices.devices_of(training.Training())
    folder = tmp_path / "run"
    for finished in (False, True):
        with pytest.raises(error, match="no"):  # noqa: SIM117
            with locking.opened(folder, {"seed": 0}, output.Output().resume, one):
                raise error("no")
        assert folder.exists() == finished
        if not finished:
            with locking.opened(folder, {"seed": 0}, False, one) as run:
                run.files.result.write_text("{}")
    assert (folder / "result.json").read_text() == "{}"
