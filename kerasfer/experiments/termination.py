"""SIGTERM, by which Slurm, Kubernetes and `kill` ask a program to end soon."""

import contextlib
import os
import signal
import threading
import time

_ONE_REQUEST = 5  # seconds
STATUS = 128 + signal.SIGTERM  # what a shell says of a process that it ended


@contextlib.contextmanager
def ends_on_sigterm():
    """Within it, SIGTERM ends the program in the usual way, with the status 143: files
    are put away, child processes ended. A training finishes its epoch first, see
    `stop_after_epoch`."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _end(number, frame):
    raise SystemExit(STATUS)


def stop_after_epoch(folder):
    """A callback, the last one: once SIGTERM came, the run ends with the epoch that it
    is in, whose checkpoint is written. A second SIGTERM, some seconds later, ends it at
    once.

    Args:
        folder: of the run, for what is printed.
    """
    import keras

    class StopAfterEpoch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.asked, self.before = None, None

        def on_train_begin(self, logs=None):
            if threading.current_thread() is threading.main_thread():
                self.before = signal.signal(signal.SIGTERM, self._note)

        def on_train_end(self, logs=None):
            if self.before is not None:
                signal.signal(signal.SIGTERM, self.before)

        def on_epoch_end(self, epoch, logs=None):
            if self.asked:
                print(
                    f"Ended by SIGTERM after epoch {epoch + 1} of "
                    f"{self.params['epochs']}: {folder}. The same command with "
                    "--resume goes on."
                )
                raise SystemExit(STATUS)

        def _note(self, number, frame):
            # Slurm signals all processes of a step, and a study its runs: both are one.
            if self.asked and time.monotonic() > self.asked + _ONE_REQUEST:
                raise SystemExit(STATUS)
            self.asked = self.asked or time.monotonic()

    return StopAfterEpoch()


def end_with_parent(parent):
    """From now on this process gets a SIGTERM when another one has ended, however.

    Args:
        parent: `multiprocessing.parent_process()`.
    """

    def wait():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
