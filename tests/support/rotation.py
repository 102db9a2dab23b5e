"""Of many like cases a share is taken, by the hash of the commit: each in its turn.

`make test` takes a ninth, `make test-all` a third, `KERASFER_TESTS=all` all of them;
commits in a row cover the rest.
"""

import functools
import os
import pathlib
import subprocess

import pytest


def often(cases):
    """A third of the cases, of which a third is fast and the rest is marked as slow."""
    fast, all_of_them = of_this_commit(cases, 9), of_this_commit(cases, 3)
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
