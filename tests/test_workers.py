"""Several workers: real processes on this machine, found by TF_CONFIG."""

import pathlib
import subprocess
import sys
import time

import contract_cases
import numpy as np
import pytest
from recipe_runs import RECIPES, write_noise
from test_resume import assert_same_run, folder_of
from workers import run_two, two_workers

PROGRAM = pathlib.Path(__file__).parent / "trained_by_workers.py"
FIRST = ["fixmatch-everything", "margin_mix-alone", "ada_cm-alone", "flexmatch-alone"]
REST = [
    f"{scheme}-{plug_in}"
    for scheme, plug_in in contract_cases.EACH_ONCE
    if scheme not in contract_cases.WITH_BATCH_STATISTICS
    and f"{scheme}-{plug_in}" not in FIRST
]


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
        "--scheme", "fixmatch", "--dropout", 0, "--manifest", faces, "--protocol", "balanced:labels=12",
        "--image-size", 16, "--batch-size", 6, "--epochs", 40, "--steps-per-epoch", 2,
        "--no-report", "--strategy", "multi_worker", "--out", out,
    ]  # fmt: skip
    return [RECIPES / "baselines.py", *flags, *more]


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
    assert "error: another worker ended, and this one with it." in told, told[-3000:]
    assert not [*parts.rglob("result.json")]
    codes, outputs = run_two(*arguments(faces, parts, "--resume"))
    assert codes == [0, 0], outputs
    assert "goes on after" in outputs[0]
    codes, outputs = run_two(*arguments(faces, whole))
    assert codes == [0, 0], outputs
    assert_same_run(folder_of(whole), folder_of(parts))
    # One writer: what the second worker wrote is gone with it.
    codes, outputs = run_two(*arguments(faces, whole, "--resume"))
    assert codes == [0, 0] and "is finished; its result is taken" in outputs[1]
