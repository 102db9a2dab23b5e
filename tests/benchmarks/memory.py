"""Bytes of memory that a run takes for each further unlabelled image.

    python tests/benchmarks/memory.py

`recipes/baselines.py` with FixMatch, and with FlexMatch, which remembers a label for
each: two epochs of two steps on manifests with 10,000 and with 1,000,000 unlabelled
images in TFRecord shards, which are many names of one file. The largest resident memory
of both processes is compared: splits, hashes, orders, checkpoints are in it. glibc
gives freed arrays back at once here (MALLOC_MMAP_THRESHOLD_), else it keeps up to 64 MB
of them, however many images there are.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

from rows import Row

from kerasfer.data import synthetic
from kerasfer.data.records import ShardWriter
from kerasfer.vision.images import cv2

_FEW, _MANY, _OF_A_SHARD, _LABELED = 10_000, 1_000_000, 1000, 400
_RECIPE = pathlib.Path(__file__).parents[2] / "recipes/baselines.py"
_FLAGS = "--protocol balanced:labels=80 --epochs 2 --steps-per-epoch 2"
_FLAGS += " --batch-size 8 --image-size 16 --no-report"


def write_shard(path, images):
    """Offsets of the images."""
    with ShardWriter(path) as shard:
        return [
            shard.write(cv2.imencode(".jpg", image)[1].tobytes(), f"{k}.jpg")
            for k, image in enumerate(images)
        ]


def write_manifest(folder, num_unlabeled):
    """Labelled faces, and the same thousand faces under other names."""
    faces = synthetic.render_manifest(_LABELED, seed=0, size=48)
    lines = ["path,label"]
    offsets = write_shard(folder / "labeled.tfrecord", faces.images)
    for offset, label in zip(offsets, faces.labels, strict=True):
        lines.append(f"labeled.tfrecord#{offset},{faces.class_names[label]}")
    copies = [faces.images[k % _LABELED] for k in range(_OF_A_SHARD)]
    offsets = write_shard(folder / "unlabeled.tfrecord", copies)
    for number in range(num_unlabeled // _OF_A_SHARD):
        name = f"{number:06d}.tfrecord"
        (folder / name).symlink_to("unlabeled.tfrecord")
        lines += [f"{name}#{offset}," for offset in offsets]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def peak_of_a_run(scheme, num_unlabeled):
    """Bytes, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        manifest = write_manifest(folder, num_unlabeled)
        command = [sys.executable, _RECIPE, "--scheme", scheme, *_FLAGS.split()]
        command += ["--manifest", manifest, "--out", folder / "runs"]
        start = time.perf_counter()
        environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"The run on {num_unlabeled} images failed.")
        return usage.ru_maxrss * 1024, time.perf_counter() - start


def measure(scheme):
    few, seconds = peak_of_a_run(scheme, _FEW)
    many, more_seconds = peak_of_a_run(scheme, _MANY)
    bytes_per_image = (many - few) / (_MANY - _FEW)
    Row(
        f"memory of a run of {scheme}, {_FEW:,} to {_MANY:,} unlabelled images",
        f"{bytes_per_image:.0f} bytes an image",
        f"{few / 1e9:.2f} and {many / 1e9:.2f} GB, {seconds:.0f} and "
        f"{more_seconds:.0f} s",
        None,
        "100 bytes at most",
    ).show()


if __name__ == "__main__":
    measure("fixmatch")
    measure("flexmatch")
