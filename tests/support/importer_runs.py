"""Importers run as a user runs them, and what they wrote."""

import csv
import pathlib
import subprocess
import sys

import numpy as np

from kerasfer.vision.images import cv2

DATA_PREP = pathlib.Path(__file__).parents[2] / "data_prep"


def run(importer, *arguments):
    process = subprocess.run(
        [sys.executable, str(DATA_PREP / f"{importer}.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return process.returncode, process.stdout + process.stderr


def rows(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def save(path, level=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((12, 10, 3), level, np.uint8)
    cv2.imencode(path.suffix, image)[1].tofile(path)


def reasons(out):
    """Image -> why it was left out."""
    return {row["path"]: row["reason"] for row in rows(out / "rejected.csv")}
