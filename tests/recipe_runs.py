"""Runs a recipe as a user runs it, or imports one."""

import importlib
import os
import pathlib
import subprocess
import sys

RECIPES = pathlib.Path(__file__).parent.parent / "recipes"


def run(*arguments, recipe="margin_mix", timeout=600, **options):
    """Exit code and all output of `python recipes/<recipe>.py`."""
    process = subprocess.run(
        [sys.executable, RECIPES / f"{recipe}.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "COLUMNS": "200"},
        **options,
    )
    return process.returncode, process.stdout + process.stderr


def imported(name):
    """A recipe, or a module of `_shared`, as a module."""
    sys.path.insert(0, str(RECIPES))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(RECIPES))


def parsed(recipe, *arguments):
    """The config that flags make."""
    flags = imported("_shared.flags")
    return flags.parse(recipe.Config, list(map(str, arguments)))
