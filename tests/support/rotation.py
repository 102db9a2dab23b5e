"""Of many like cases a share is taken, by the hash of the commit: each in its turn.

`make test` takes a twelfth, `make test-all` a third, `KERASFER_TESTS=all` all of them;
commits in a row cover the rest. `KERASFER_TESTS=share`, which `make test` and the tests
on the older stack set, also takes a share of the programs' and the longest modules'
tests, which `make test-all` runs in full.
"""

import functools
import os
import pathlib
import subprocess

import pytest


def often(cases):
    """A third of the cases; a fourth of these is fast, the rest is marked as slow."""
    fast, all_of_them = of_this_commit(cases, 12), of_this_commit(cases, 3)
    return [
        case if case in fast else pytest.param(case, marks=pytest.mark.slow)
        for case in all_of_them
    ]


def of_this_commit(cases, parts=3):
    """Every `parts`-th case, beginning at a place that depends on the commit."""
    cases = list(cases)
    if os.environ.get("KERASFER_TESTS") == "all":
        return cases
    return cases[_turn() % parts :: parts]


LONG = {
    "test_checkpoints",
    "test_cli",
    "test_data_workers",
    "test_detect_and_align",
    "test_distillation",
    "test_dlib_resnet",
    "test_doctor",
    "test_export",
    "test_importers",
    "test_importers_of_anything",
    "test_importers_of_faces",
    "test_memory",
    "test_own_parts",
    "test_quiet",
    "test_readme",
    "test_recipe_options",
    "test_region_and_patch_classifiers",
    "test_saved_classifiers",
    "test_study_files",
    "test_targets",
    "test_without_unlabeled_faces",
}
SINGLY = {"test_docstrings", "test_replicas"}
"""Modules of which tests are taken one by one, as they share nothing."""


def in_turn(items, step_of):
    """The tests that a share takes: all of most modules; an eighth of the modules of
    programs and kills; a third of the `LONG` ones; a ninth of the tests of `SINGLY`."""
    steps = {item.module.__name__: step_of(item.module) for item in items}
    programs = [n for n in sorted(steps) if steps[n] in ("recipes", "kills")]
    long = sorted(LONG & steps.keys() - {*programs})
    kept = steps.keys() - {*programs} - {*long} - SINGLY
    kept |= {*of_this_commit(programs, 8), *of_this_commit(long, 3)}
    singly = [item for item in items if item.module.__name__ in SINGLY]
    taken = {*of_this_commit(singly, 9)}
    return [item for item in items if item.module.__name__ in kept or item in taken]


@functools.cache
def _turn():
    """A number of the commit; 0 where there is no repository."""
    root = pathlib.Path(__file__).parents[2]
    command = ["git", "-C", root, "rev-parse", "--verify", "HEAD"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(said.stdout[:8], 16)
