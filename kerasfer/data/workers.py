"""Batches made by several processes.

Within one process Python's lock is held for a part of the work on each image, and
threads that wait for it lose more than they gain. So a batch is made by a process of
its own, into memory that both see.
"""

import contextlib
import math
import multiprocessing
import queue
import signal
import threading
import weakref
from multiprocessing.shared_memory import SharedMemory

import numpy as np

_ALIGNED = 64  # bytes
_GUARD = 'A script with workers needs `if __name__ == "__main__":` around what it does.'


class Workers:
    """Processes that make batches, called as `workers(step)`, from any thread.

    They start with the first call, and end by `close` or with the process they belong
    to, however that ends. A script that uses them needs `if __name__ == "__main__":`,
    as all that uses Python's `multiprocessing`.

    Args:
        batches: `TrainingBatches`. Each process has a copy of it, with all images that
            are in memory.
        count: of processes, at least 1.

    Raises:
        RuntimeError: a process has ended, e.g. for want of memory, or because a script
            has no such guard. What else a batch raises is raised here.

    >>> Workers(batches, count=2)(0)["image"].shape  # doctest: +SKIP
    (64, 48, 48, 3)
    """

    def __init__(self, batches, count):
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            # A worker that runs its parent's script as it starts: it would start
            # workers in its turn, and the parent would wait for ever.
            raise RuntimeError(f"A worker of data began to train itself. {_GUARD}")
        self._batches, self._count = batches, count
        self._idle, self._lock = None, threading.Lock()

    def __call__(self, step):
        with self._lock:
            if self._idle is None:
                # All of them first: where one cannot start, no other thread is to
                # wait for it.
                workers = [_Worker(self._batches) for _ in range(self._count)]
                self._idle = queue.SimpleQueue()
                for worker in workers:
                    self._idle.put(worker)
            idle = self._idle
        worker = idle.get()
        try:
            return worker.batch(int(step))
        finally:
            idle.put(worker)

    def close(self):
        """Ends the processes, each after the batch it makes; a call starts new ones."""
        with self._lock:
            self._idle = None


class _Worker:
    def __init__(self, batches):
        # Not a fork: of a process with TensorFlow's threads it may hang.
        context = multiprocessing.get_context("spawn")
        specs = batches.specs()
        self._memory = SharedMemory(create=True, size=_places(specs)[-1])
        self._batch = _arrays(self._memory, specs)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._memory.name, batches), daemon=True
        )
        weakref.finalize(self, _end, self._pipe, self._memory)
        try:
            self._process.start()
        except OSError as error:  # it ended before it had read what it is to do
            raise RuntimeError(
                f"A process that makes batches could not start ({error}). {_GUARD}"
            ) from None
        theirs.close()

    def batch(self, step):
        try:
            self._pipe.send(step)
            error = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(1)
            raise RuntimeError(
                "A process that makes batches has ended (exit code "
                f"{self._process.exitcode}; -9 is a kill, often for want of memory: "
                "use fewer workers, or 0, and go on with the run's last checkpoint). "
                f"{_GUARD}"
            ) from None
        if error is not None:
            raise error
        return {name: array.copy() for name, array in self._batch.items()}


def _serve(pipe, name, batches):
    """The process: step after step, until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training's
    memory = SharedMemory(name)
    arrays = _arrays(memory, batches.specs())
    with contextlib.suppress(EOFError, OSError):
        while True:
            step = pipe.recv()
            try:
                for entry, values in batches(step, arrays).items():
                    if values is not arrays[entry]:
                        arrays[entry][...] = values
                error = None
            except Exception as raised:
                error = raised
            pipe.send(error)


def _end(pipe, memory):
    pipe.close()
    memory.unlink()


def _arrays(memory, specs):
    """Name -> array that lies in the memory."""
    return {
        name: np.ndarray(shape, dtype, memory.buf, place)
        for (name, (dtype, shape)), place in zip(
            specs.items(), _places(specs)[:-1], strict=True
        )
    }


def _places(specs):
    """Where each array begins, in bytes, and where the last one ends."""
    places = [0]
    for dtype, shape in specs.values():
        size = np.dtype(dtype).itemsize * math.prod(shape)
        places.append(places[-1] + -(-size // _ALIGNED) * _ALIGNED)
    return places
