"""Runs a recipe as a user runs it, or imports one."""

import importlib
import os
import pathlib
import subprocess
import sys

from conftest import random_faces

from kerasfer.faces import cv2

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


def write_noise(folder):
    """150 images of noise in three classes, and manifest.csv, whose path it gives."""
    faces = random_faces(150, side=16)
    lines = ["path,label"]
    for row, image in enumerate(faces.images):
        cv2.imwrite(str(folder / f"{row}.png"), image)
        lines.append(f"{row}.png,{('anger', 'fear', 'neutral')[faces.labels[row]]}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


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
