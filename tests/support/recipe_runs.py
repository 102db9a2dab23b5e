"""Runs a recipe as a user runs it, or imports one."""

import importlib
import multiprocessing
import os
import pathlib
import runpy
import sys
import tempfile

from kerasfer.experiments import flags
from kerasfer.vision.images import cv2
from support.toys import random_faces

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"
# For runs whose network does not matter: half the seconds of one with `compact`.
TINY_BACKBONE = f"{pathlib.Path(__file__).with_name('tiny_backbone.py')}:tiny"
TINY = ["--backbone", TINY_BACKBONE]


# Processes are forks of a server that has imported TensorFlow and computed nothing:
# seconds less each than a new interpreter. Tests of kills and of the start start anew.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tensorflow", "keras", "pandas"])


def run(*arguments, recipe="margin_mix", timeout=600, cwd=None):
    """Exit code and all output of `python recipes/<recipe>.py`."""
    command = [str(RECIPES / f"{recipe}.py"), *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "output"
        place = str(cwd or pathlib.Path.cwd())
        process = _SERVER.Process(target=_main, args=(command, str(output), place))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"{command}: {output.read_text(errors='replace')}")
        return process.exitcode, output.read_text(errors="replace")


def _main(command, output, cwd):
    """In the new process: the script as an interpreter runs it."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(cwd)
    os.environ["COLUMNS"] = "200"
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


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
    """A recipe as a module."""
    return importlib.import_module(f"kerasfer.recipes.{name}")


def parsed(recipe, *arguments):
    """The config that flags make."""
    return flags.parse(recipe.Config, list(map(str, arguments)))
