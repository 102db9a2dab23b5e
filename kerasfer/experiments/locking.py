"""The folder of a run, for the process that writes it and for its other workers."""

import contextlib
import json
import pathlib
import shutil
import tempfile

from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.runs import Run, claimed, open_run

_FINISHED, _FAILED = -1, -2


@contextlib.contextmanager
def opened(folder, settings, resume, devices):
    """The `Run` in a folder, claimed and begun, gone on with, or finished.

    Of several workers the chief has the folder. Each other one gets a folder of its own
    that goes with it, to write the same into, and in it the checkpoint that the chief
    goes on from: all of them must see `--out`.
    """
    folder = pathlib.Path(folder)
    if not devices.is_chief:
        with _helping(folder, settings, devices) as run:
            yield run
        return
    with claimed(folder):
        try:
            run = open_run(folder, settings, resume)
        except BaseException:
            devices.agreed(_FAILED)
            raise
        devices.agreed(_FINISHED if run.result is not None else _epochs_done(folder))
        try:
            yield run
        except (ValueError, OSError, MemoryError):
            # Flags or data that cannot be: the corrected command finds no remains.
            if run.result is None and not run.files.metrics.exists():
                shutil.rmtree(folder)
            raise


@contextlib.contextmanager
def _helping(folder, settings, devices):
    begun = devices.agreed()
    if begun == _FAILED:
        raise SystemExit("error: the first worker could not begin, see its output.")
    if begun == _FINISHED:
        yield _seen(Run(folder, settings), folder)
        return
    with tempfile.TemporaryDirectory(prefix="kerasfer-worker-") as own:
        own = pathlib.Path(own) / folder.name
        own.mkdir()
        if begun:
            place = RunFolder(folder).checkpoints / f"epoch-{begun:06d}"
            copy = RunFolder(own).checkpoints / place.name
            shutil.copytree(_seen(place, place), copy)
        yield Run(own, json.loads(json.dumps(settings)))


def _epochs_done(folder):
    from kerasfer.callbacks.checkpoint import last_checkpoint

    place = last_checkpoint(RunFolder(folder).checkpoints)
    return int(place.name.removeprefix("epoch-")) if place else 0


def _seen(value, path):
    if not path.exists():
        raise SystemExit(
            f"error: the first worker has {path}, this one does not see it. --out must "
            "be on a disk that all workers share."
        )
    return value
