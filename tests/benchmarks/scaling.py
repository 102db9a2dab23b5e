"""Pairs of views a second of the input pipeline on two cores, over those on one.

    python tests/benchmarks/scaling.py

The same batches of weak and strong views from TFRecord shards: made by one worker with
all of the program on one core, and by two workers on two. Beside them two threads of
this process, without workers.
"""

import multiprocessing
import os
import pathlib
import tempfile

import numpy as np
from rows import Row, faster, in_turns, rate
from shards import write

from kerasfer.data import synthetic, training_dataset
from kerasfer.vision.images import cv2

_PAIRS, _REPETITIONS = 64, 9


def pin(cores):
    """Lets all threads of this program and of its workers run on these cores only."""
    processes = [os.getpid(), *(p.pid for p in multiprocessing.active_children())]
    for process in processes:
        for task in pathlib.Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def measure(side, size, batches, cores):
    images = synthetic.render_manifest(2000, seed=0, size=side).images
    encoded = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
    with tempfile.TemporaryDirectory() as folder:
        _, faces = write(pathlib.Path(folder), encoded)
        made = {
            workers: iter(
                training_dataset(
                    faces,
                    faces,
                    ("weak", "strong"),
                    batch_size=1,
                    unlabeled_ratio=_PAIRS,
                    image_shape=(size, size, 3),
                    workers=workers,
                )
            )
            for workers in (0, 1, 2)
        }
        firsts = [next(batches)[0]["strong"] for batches in made.values()]
        np.testing.assert_array_equal(*firsts[:2])
        np.testing.assert_array_equal(*firsts[1:])

        def run(workers, on):
            pin(on)
            for _ in range(batches):
                next(made[workers])

        times = in_turns(
            {
                "one core": lambda: run(1, cores[:1]),
                "two cores": lambda: run(2, cores),
                "threads": lambda: run(0, cores),
            },
            _REPETITIONS,
        )
    ours = f"{rate(batches * _PAIRS, times['two cores']):,.0f} pairs/s, two workers"
    for theirs, text, at_least in (
        ("one core", "one worker, one core", 1.8),
        ("threads", "two threads, no worker", "-"),
    ):
        Row(
            f"pipeline of weak + strong pairs, {side} px JPEG -> {size} px, two cores",
            ours,
            f"{text}: {rate(batches * _PAIRS, times[theirs]):,.0f}",
            faster(times, "two cores", theirs),
            at_least,
        ).show()


if __name__ == "__main__":
    two = sorted(os.sched_getaffinity(0))[:2]
    measure(100, 224, 20, two)
    measure(48, 48, 60, two)
