"""Twenty kills of one run, at random moments, change no bit of it."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from support.rotation import of_this_commit

KILLS = 20
# Between them: centroids, margins, prototypes, a label memory, thresholds by class,
# heads, an averaged teacher, MixUp's rng, state of a plug-in.
RUNS = [
    ("fixmatch", "remop"),
    ("ada_cm", "abc"),
    ("margin_mix", "everything"),
    ("flexmatch", "adsh"),
    ("mean_teacher", "alone"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "plug_in"), of_this_commit(RUNS))
def test_twenty_kills(scheme, plug_in, tmp_path):
    program = pathlib.Path(__file__).parent / "support/killed_run.py"
    process = subprocess.run(
        [sys.executable, program, scheme, plug_in, tmp_path, str(KILLS), "7"],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    done = list(map(int, process.stdout.split()))
    # They fell into many epochs, and into the ones that they were to fall into.
    assert len(done) == KILLS and len(set(done)) >= KILLS // 2 and done[-1] < 60
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for name in ("metrics.csv", "pseudo_labels.csv", "best.weights.h5"):
        assert (whole / name).exists() == (parts / name).exists()
        if name.endswith(".csv") and (whole / name).exists():
            assert (whole / name).read_text() == (parts / name).read_text(), name
    with np.load(whole / "end.npz") as ours, np.load(parts / "end.npz") as theirs:
        assert ours.files == theirs.files
        for name in ours.files:
            np.testing.assert_array_equal(ours[name], theirs[name])
