"""Weak and strong pairs a second of faces that are decoded once, and for each batch.

    python tests/benchmarks/cache.py

FixMatch's batches of 64 labelled and 64 unlabelled faces from JPEG files, made by one
thread without TensorFlow, in turns: decoded anew, kept in memory, mapped from a file.
All three are asserted to be the same. Then small faces for a larger network, whose
batches are made at their own size, as `--resize-to` needs them, and at the network's.
"""

import pathlib
import tempfile

import numpy as np
from rows import Row, faster, in_turns, rate

import kerasfer
from kerasfer.data.batches import TrainingBatches
from kerasfer.data.synthetic import render_manifest
from kerasfer.vision.images import cv2

_FACES, _BATCH, _BATCHES, _REPETITIONS = 2000, 64, 4, 11
_VIEWS = ("weak", "strong")


def write_faces(folder, side):
    """A manifest of JPEG files."""
    faces = render_manifest(_FACES, seed=0, size=side)
    lines = ["path,label"]
    for row, image in enumerate(faces.images):
        cv2.imwrite(str(folder / f"{row}.jpg"), image)
        lines.append(f"{row}.jpg,{faces.class_names[faces.labels[row]]}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return kerasfer.data.read_manifest(folder / "manifest.csv")


def measure_small(file_side, side):
    with tempfile.TemporaryDirectory() as folder:
        faces = write_faces(pathlib.Path(folder), file_side)
        made = {
            size: TrainingBatches(
                faces, faces, _VIEWS, _BATCH, 1, 0, (size, size, 3), 0.75, 0.1
            )
            for size in (file_side, side)
        }
        ways = {
            size: lambda batches=batches: [batches(step) for step in range(_BATCHES)]
            for size, batches in made.items()
        }
        times = in_turns(ways, _REPETITIONS)
        pairs = _BATCH * _BATCHES
        Row(
            f"batches of FixMatch for a model that resizes, {file_side} px JPEG, one "
            "core",
            f"{rate(pairs, times[file_side]):,.0f} pairs/s",
            f"resized to {side} px here: {rate(pairs, times[side]):,.0f}",
            faster(times, file_side, side),
            1.1,
        ).show()


def measure(file_side, side):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        faces = write_faces(folder, file_side)
        sets = {
            "files": faces,
            "memory": kerasfer.data.decode_once(faces),
            "disk": kerasfer.data.decode_once(faces, folder / "decoded"),
        }
        made = {
            name: TrainingBatches(
                faces, faces, _VIEWS, _BATCH, 1, 0, (side, side, 3), 0.75, 0.1
            )
            for name, faces in sets.items()
        }
        first = {name: batches(0) for name, batches in made.items()}
        for name in ("memory", "disk"):
            for entry, values in first["files"].items():
                np.testing.assert_array_equal(first[name][entry], values)
        ways = {
            name: lambda batches=batches: [batches(step) for step in range(_BATCHES)]
            for name, batches in made.items()
        }
        times = in_turns(ways, _REPETITIONS)
        pairs = _BATCH * _BATCHES
        for name, where in (("memory", "memory"), ("disk", "a mapped file")):
            Row(
                f"faces decoded once, kept in {where}: batches of FixMatch, "
                f"{file_side} px JPEG -> {side} px, one core",
                f"{rate(pairs, times[name]):,.0f} pairs/s",
                f"decoded for each batch: {rate(pairs, times['files']):,.0f}",
                faster(times, name, "files"),
                1.1,
            ).show()


if __name__ == "__main__":
    measure(48, 48)
    measure(100, 112)
    measure(100, 224)
    measure_small(48, 112)
