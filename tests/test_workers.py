"""Several workers: real processes on this machine, found by TF_CONFIG."""

import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from support import contract_cases
from support.recipe_runs import RECIPES, imported, parsed, run, write_noise
from support.resumed_runs import assert_same_run, folder_of
from support.rotation import of_this_commit
from support.workers import run_two, two_workers

from kerasfer.experiments import devices, locking

PROGRAM = pathlib.Path(__file__).parent / "support/trained_by_workers.py"
FIRST = ["fixmatch-everything", "margin_mix-alone", "ada_cm-alone", "flexmatch-alone"]
REST = [
    f"{scheme}-{plug_in}"
    for scheme, plug_in in contract_cases.EACH_ONCE
    if scheme not in contract_cases.WITH_BATCH_STATISTICS
    and f"{scheme}-{plug_in}" not in FIRST
]
REST = of_this_commit(REST)


@pytest.mark.parametrize(
    "pairs", [FIRST, pytest.param(REST, marks=pytest.mark.slow)], ids=["first", "rest"]
)
def test_two_workers_equal_one_process(pairs, tmp_path):
    codes, outputs = run_two(PROGRAM, tmp_path / "two.npz", *pairs)
    assert codes == [0, 0], outputs[0]
    subprocess.run([sys.executable, PROGRAM, tmp_path / "one.npz", *pairs], check=True)
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert one.files == two.files
        for name in one.files:
            np.testing.assert_allclose(
                two[name], one[name], rtol=2e-5, atol=1e-6, err_msg=name
            )


def arguments(faces, out, *more):
    flags = [
        "--scheme", "fixmatch", "--dropout", 0, "--manifest", faces,
        "--protocol", "balanced:labels=12", "--image-size", 16, "--batch-size", 6,
        "--epochs", 12, "--steps-per-epoch", 2, "--no-report",
        "--strategy", "multi_worker", "--out", out,
    ]  # fmt: skip
    return [RECIPES / "baselines.py", *flags, *more]


@pytest.mark.slow
def test_a_recipe_goes_on_after_a_worker_died(tmp_path):
    faces = write_noise(tmp_path)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with two_workers(*arguments(faces, parts)) as (first, second):
        while not [*parts.rglob("epoch-000003")]:
            assert first.process.poll() is None, first.output()
            time.sleep(0.05)
        second.process.kill()
        assert first.process.wait(300) == 1
        told = first.output()
    assert "error: another worker ended, and this one with it." in told
    assert not [*parts.rglob("result.json")]
    codes, outputs = run_two(*arguments(faces, parts, "--resume"))
    assert codes == [0, 0], outputs
    assert "goes on after" in outputs[0]
    codes, outputs = run_two(*arguments(faces, whole))
    assert codes == [0, 0], outputs
    assert_same_run(folder_of(whole), folder_of(parts))


@pytest.mark.slow
def test_a_recipe_on_two_replicas_of_this_machine(tmp_path):
    flags = arguments(write_noise(tmp_path), tmp_path / "out", "--epochs", 2)[1:]
    mirrored = ["--strategy", "mirrored", "--replicas", 2, "--report"]
    code, output = run(*flags, *mirrored, recipe="baselines")
    assert code == 0, output
    folder = folder_of(tmp_path / "out")
    assert yaml.safe_load((folder / "config.yaml").read_text())["replicas"] == 2
    assert (folder / "report.html").exists() and (folder / "confidences.csv").exists()


class Told:
    """Devices of a worker whose chief told a number."""

    is_chief = False

    def __init__(self, number):
        self.number = number

    def agreed(self):
        return self.number


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (-2, "the first worker could not begin, see its output"),
        (-1, "the first worker has .*must be on a disk that all workers share"),
        (3, "the first worker has .*epoch-000003, this one does not see it"),
    ],
)
def test_a_worker_that_cannot_help_says_why(number, message, tmp_path):
    opening = locking.opened(tmp_path / "run", {}, True, Told(number))
    with pytest.raises(SystemExit, match=message), opening:
        pass
    assert not (tmp_path / "run").exists()


def test_a_worker_writes_into_a_folder_of_its_own(tmp_path):
    checkpoint = tmp_path / "run/checkpoints/epoch-000003"
    checkpoint.mkdir(parents=True)
    with locking.opened(tmp_path / "run", {"seed": 1}, True, Told(3)) as run:
        assert run.folder != tmp_path / "run" and run.result is None
        assert (run.folder / "checkpoints/epoch-000003").is_dir()
    assert not run.folder.exists() and checkpoint.exists()


def test_flags_of_devices_that_cannot_be(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    recipe = imported("baselines")
    several = parsed(recipe, "--strategy", "multi_worker").training
    with pytest.raises(ValueError, match="start one process on each by Slurm's srun"):
        devices.devices_of(several)
    with pytest.raises(ValueError, match="A search does not run on several workers"):
        devices.refuse_workers(several, "A search")
