"""A training step of 2 and 4 processes on this machine: compute, and all-reduce.

    python tests/benchmarks/all_reduce.py

FixMatch with ResNet-18 at 48 px, 8 labelled and 8 unlabelled faces for each process.
Once the processes are workers of `MultiWorkerMirroredStrategy` over loopback, which add
up their gradients; once each trains by itself, side by side, so that they share the
cores alike. The difference is the all-reduce and the waiting for the slowest.
"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from rows import Row

_FACES, _SIDE, _STEPS, _SKIPPED = 8, 48, 25, 5


def seconds_of_a_step(count, together):
    """Median over the steps of the first process."""
    with tempfile.TemporaryDirectory() as folder:
        addresses = free_addresses(count)
        processes = []
        for index in range(count):
            environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
            if together:
                task = {"type": "worker", "index": index}
                environment["TF_CONFIG"] = json.dumps(
                    {"cluster": {"worker": addresses}, "task": task}
                )
            command = [sys.executable, __file__, str(count), str(index), folder]
            processes.append(
                subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
            )
        codes = [None] * count
        while None in codes and not any(codes):
            time.sleep(0.1)
            codes = [process.poll() for process in processes]
        for process in processes:  # else the others would wait for one that failed
            process.kill()
        if any(codes):
            raise RuntimeError("A process failed, see above.")
        return json.loads(processes[0].communicate()[0].splitlines()[-1])


def free_addresses(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def train(count, index, folder):
    """The process: prints the median seconds and the bytes of the gradients."""
    import keras
    import numpy as np
    import tensorflow as tf

    import kerasfer

    strategy, replicas = tf.distribute.get_strategy(), 1
    if "TF_CONFIG" in os.environ:
        strategy, replicas = tf.distribute.MultiWorkerMirroredStrategy(), count
    shape = (_SIDE, _SIDE, 3)
    images = np.random.default_rng(0).integers(0, 256, (64, *shape), np.uint8)
    faces = kerasfer.data.from_arrays(images, np.arange(64) % 8)
    with strategy.scope():
        classifier = kerasfer.build_classifier("resnet18", shape, 8)
        model = kerasfer.schemes.FixMatch(classifier, 0.0)
        model.compile(keras.optimizers.Adam(1e-4))
    data = kerasfer.data.distributed_training_dataset(
        strategy, faces, faces, model.all_views, batch_size=_FACES * replicas
    )
    ends = []

    def end(step, logs=None):
        ends.append(time.perf_counter())
        if step == 0:  # built: all go on at the same moment
            pathlib.Path(folder, str(index)).touch()
            while len(os.listdir(folder)) < count:
                time.sleep(0.001)

    timed = keras.callbacks.LambdaCallback(on_train_batch_end=end)
    model.fit(data, steps_per_epoch=_STEPS, verbose=0, callbacks=[timed])
    seconds = statistics.median(np.diff(ends)[_SKIPPED:])
    size = sum(4 * int(np.prod(w.shape)) for w in classifier.trainable_weights)
    print(json.dumps([seconds, size]))


def main():
    for count in (2, 4):
        together, size = seconds_of_a_step(count, together=True)
        alone, _ = seconds_of_a_step(count, together=False)
        Row(
            f"step of {count} processes on loopback, ResNet-18, {_SIDE} px, {_FACES} + "
            f"{_FACES} faces each",
            f"{1e3 * together:.0f} ms, {1e3 * (together - alone):.0f} of them "
            f"all-reduce of {size / 1e6:.0f} MB",
            f"each by itself, side by side: {1e3 * alone:.0f} ms",
            alone / together,
            "-",
        ).show()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    else:
        main()
