"""Batches made by processes: the same, with the same errors, and no process is left."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import tensorflow as tf
from support.toys import random_faces

from kerasfer.data import python_calls, read_manifest, training_dataset
from kerasfer.data.batches import KNOWN_VIEWS, TrainingBatches
from kerasfer.data.workers import Workers

LABELED, UNLABELED = random_faces(10, seed=0), random_faces(14, seed=1)


def dataset(workers, **options):
    options = {"batch_size": 4, "unlabeled_ratio": 2, "seed": 3, **options}
    return training_dataset(LABELED, UNLABELED, KNOWN_VIEWS, workers=workers, **options)


def assert_same(ours, theirs):
    tf.nest.map_structure(np.testing.assert_array_equal, ours, theirs)


def test_the_batches_are_those_of_one_process():
    ours, theirs = (list(dataset(workers).take(5)) for workers in (2, 0))
    assert len(ours) == 5
    assert_same(ours, theirs)
    assert_same([*dataset(1, start_step=3).take(2)], ours[3:])
    assert_same(
        [*dataset(1, shard=(1, 2)).take(2)], [*dataset(0, shard=(1, 2)).take(2)]
    )


def test_what_a_batch_raises_is_raised_here(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,label\ngone.png,0\n")
    faces = read_manifest(tmp_path / "manifest.csv")
    data = training_dataset(faces, batch_size=2, image_shape=(8, 8, 3), workers=1)
    with pytest.raises(tf.errors.OpError, match="gone.png does not exist"):
        next(iter(data))


def test_a_process_that_was_killed_is_said():
    batches = TrainingBatches(
        LABELED, UNLABELED, ("weak",), 2, 1, 0, (8, 8, 3), 0.75, 0.1
    )
    before = multiprocessing.active_children()
    workers = Workers(batches, 1)
    first = workers(0)
    (process,) = set(multiprocessing.active_children()) - {*before}
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"has ended \(exit code -9"):
        workers(1)
    assert_same(first, batches(0))  # what was given stays


def test_they_end_with_the_data_set():
    before = {*multiprocessing.active_children()}
    data = dataset(2)
    next(iter(data))
    assert len({*multiprocessing.active_children()} - before) == 2
    del data
    for _ in range(100):
        gc.collect()
        if not {*multiprocessing.active_children()} - before:
            return
        time.sleep(0.1)
    pytest.fail("processes are left")


PROGRAM = """
    import time
    import numpy as np

    if __name__ == "__main__":
        from kerasfer.data import from_arrays, python_calls, training_dataset

        def slow_zeros(*arguments):
            time.sleep({call_seconds})
            return np.zeros(*arguments)

        python_calls.np = type("", (), {{"zeros": slow_zeros}})  # of calls at the end
        faces = from_arrays(np.zeros((99, 48, 48, 3), np.uint8), np.zeros(99, int))
        batches = iter(training_dataset(faces, batch_size=64, workers=2))
        for _ in range(3):
            next(batches)
        print("three batches", flush=True)
        time.sleep({seconds})
"""


def start(tmp_path, seconds, call_seconds=0):
    program = tmp_path / "program.py"
    script = PROGRAM.format(seconds=seconds, call_seconds=call_seconds)
    program.write_text(textwrap.dedent(script))
    return subprocess.Popen(
        [sys.executable, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def test_a_program_that_ends_leaves_neither_process_nor_message(tmp_path):
    program = start(tmp_path, seconds=0)
    output, errors = program.communicate(timeout=120)
    assert (program.returncode, output) == (0, "three batches\n")
    assert "Error" not in errors and "leaked" not in errors, errors
    wait_for_the_end_of(program.pid)


def test_a_program_ends_while_a_thread_is_late(tmp_path):
    """A call under way when the interpreter shuts down often never comes back."""
    program = start(tmp_path, seconds=0, call_seconds=3 * python_calls._QUIET)
    output, _ = program.communicate(timeout=120)
    assert (program.returncode, output) == (0, "three batches\n")


_HOLDS = """
import time
import tensorflow as tf
from kerasfer.data import python_calls

begun, done = [], []

def slow(number):
    begun.append(number)
    time.sleep(0.2)
    done.append(number)
    return number

def element(number):
    return tf.numpy_function(slow, [number], tf.int64)

held = iter(tf.data.Dataset.range(1000).map(element, 2).prefetch(2))
next(held)
python_calls._delete_iterators()
ended = len(begun)
assert sorted(begun) == sorted(done)
time.sleep(0.5)
assert len(begun) == ended < 1000
"""


def test_iterators_that_a_program_holds_are_stopped_at_its_end():
    done = subprocess.run(
        [sys.executable, "-c", _HOLDS], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_program_that_is_killed_leaves_no_process(tmp_path):
    program = start(tmp_path, seconds=60)
    assert program.stdout.readline() == "three batches\n"
    program.kill()
    program.communicate()
    wait_for_the_end_of(program.pid)


def wait_for_the_end_of(group):
    """Of all processes of the group."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("processes are left")


def test_a_number_that_cannot_be():
    with pytest.raises(ValueError, match="`workers` must be 0 or more"):
        dataset(-1)


_SCRIPT = """
import keras, numpy as np
import kerasfer
from kerasfer.data import from_arrays, training_dataset

faces = from_arrays(np.zeros((8, 16, 16, 3), np.uint8), np.arange(8) % 2)
classifier = kerasfer.build_classifier("compact", (16, 16, 3), 2)
model = kerasfer.schemes.Supervised(classifier)
model.compile(keras.optimizers.SGD(0.1))
data = training_dataset(faces, batch_size=4, workers=2)
model.fit(data, steps_per_epoch=1, verbose=0)
print("trained")
"""


def test_a_script_without_a_guard_ends_and_says_why(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode != 0 and "trained" not in done.stdout
    assert "A worker of data began to train itself" in done.stderr
    assert 'needs `if __name__ == "__main__":`' in done.stderr


def test_a_worker_that_cannot_start_leaves_no_thread_waiting(monkeypatch):
    """The first call's error, and then that of the next one, not a queue of nobody."""
    batches = TrainingBatches(
        random_faces(8, side=4), None, (), 4, 1, 0, (4, 4, 3), 0.75, 0.1
    )
    made = Workers(batches, 2)

    def broken(process):
        raise BrokenPipeError("gone")

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", broken)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"could not start \(gone\). A script"):
            made(0)
