"""The folder of a run, and errors that a user can act on."""

import contextlib
import csv
import dataclasses
import datetime
import functools
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

import yaml

from kerasfer.experiments.facts import read_facts, read_settings
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.termination import ends_on_sigterm
from kerasfer.safe_write import atomic_write, remove_leftovers

# What a training does not depend on: other data sets to test on may come later.
_LATER = ("test",)


def slug(text):
    """A name for a folder: "balanced:labels=560" -> "balanced-labels=560"."""
    return re.sub(r"[^\w=.,-]+", "-", str(text)).strip("-")


@dataclasses.dataclass
class Run:
    """One training run: its folder, and whether it is finished already."""

    folder: pathlib.Path
    config: dict

    @property
    def files(self):
        return RunFolder(self.folder)

    @property
    def written_config(self):
        """What config.yaml says."""
        return read_settings(self.files.config)

    @property
    def result(self):
        """The finished run's result, or None."""
        path = self.files.result
        return read_facts(path) if path.exists() else None


def identity(config):
    """What a training depends on, of a run's settings."""
    return {name: value for name, value in config.items() if name not in _LATER}


def column_of(path, name):
    """The numbers of a column of metrics.csv; none where there is no such column."""
    with path.open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if name in row]


def open_run(folder, config, resume=False):
    """Claims a folder for a run, and writes config.yaml and env.json into it.

    A finished run of the same `identity` is given back as it is. An unfinished one is
    gone on with, if `resume` and an epoch of it is whole, else renamed. Anything
    else that stands there is an error: nothing is overwritten.
    """
    folder, config = pathlib.Path(folder), json.loads(json.dumps(config))
    run = Run(folder, config)
    if folder.exists() and any(folder.iterdir()):
        written = run.files.config
        if not written.exists():
            raise SystemExit(
                f"error: {folder} exists and is not a run of ours (no config.yaml). "
                "Choose another --out."
            )
        if run.result is not None:
            if identity(run.written_config) == identity(config):
                return run
            raise SystemExit(
                f"error: {folder} holds a finished run with another configuration: "
                f"{_differing(run.written_config, config)}. Choose another --out; "
                "nothing was changed."
            )
        if resume and _is_begun(folder):
            remove_leftovers(folder)
            return _resumed(run, run.written_config)
        moved = _free_name(folder)
        folder.rename(moved)
        print(
            f"An unfinished run was in {folder}; moved to {moved}. (--resume goes on "
            "with such a run.)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)
    with atomic_write(run.files.env) as temporary:
        temporary.write_text(json.dumps(environment(), indent=2))
    return run


def _differing(before, now):
    before, now = identity(before), identity(now)
    return ", ".join(n for n in sorted({*before, *now}) if before.get(n) != now.get(n))


def write_config(folder, config):
    with atomic_write(RunFolder(folder).config) as temporary:
        temporary.write_text(yaml.safe_dump(config, sort_keys=False))


def _is_begun(folder):
    from kerasfer.callbacks.checkpoint import checkpoints

    return bool(checkpoints(RunFolder(folder).checkpoints))


def _resumed(run, written):
    """The run, if it is the one that was begun; its env.json says that it goes on."""
    if identity(written) != identity(run.config):
        raise SystemExit(
            f"error: {run.folder} was begun with another configuration: "
            f"{_differing(written, run.config)}. Choose another --out; nothing was "
            "changed."
        )
    write_config(run.folder, run.config)
    path = run.files.env
    try:
        env = read_facts(path)
    except (ValueError, FileNotFoundError) as error:
        print(f"warning: {error} Versions and machine before now are not known.")
        env = environment()
    env.setdefault("resumed", []).append(environment())
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(env, indent=2))
    return run


@contextlib.contextmanager
def claimed(folder):
    """Holds a folder for this process; waits while another one has it.

    The system lets go of it when a process ends, however it ends.
    """
    import filelock

    folder = pathlib.Path(folder)
    lock = _lock_of(folder)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"{folder} is being made by another process; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _lock_of(folder):
    import filelock

    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(locks / f"{folder.name}.lock")


def is_claimed(folder):
    """Whether some process has the folder now."""
    import filelock

    if not folder.parent.exists():
        return False
    try:
        with _lock_of(folder).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True


def _free_name(folder):
    number = 1
    while (moved := folder.with_name(f"{folder.name}.unfinished-{number}")).exists():
        number += 1
    return moved


def environment():
    """Versions, machine and date, for env.json."""
    import keras
    import numpy
    import tensorflow as tf

    import kerasfer
    from kerasfer.vision.images import cv2

    return {
        "kerasfer": kerasfer.__version__,
        "commit": _commit(pathlib.Path(kerasfer.__file__).parent),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "devices": [d.name for d in tf.config.list_physical_devices()],
        "started": datetime.datetime.now().isoformat(timespec="seconds"),
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
        "packages": _packages(),
    }


@functools.cache
def _packages():
    """Installed distribution -> version; slow to read, so once a process."""
    found = importlib.metadata.distributions()
    packages = {part.name: part.version for part in found if part.name}
    return dict(sorted(packages.items(), key=lambda part: part[0].lower()))


def _commit(folder):
    """Of the checkout that the package runs from, "+" if files of it were changed; None
    where it is installed."""
    if not (folder.parent / ".git").exists():
        return None
    git = ["git", "-C", str(folder.parent)]
    try:
        options = {"capture_output": True, "text": True, "check": True, "timeout": 10}
        commit = subprocess.run([*git, "rev-parse", "HEAD"], **options).stdout.strip()
        asked = [*git, "status", "--porcelain", "--untracked-files=no"]
        return commit + ("+" if subprocess.run(asked, **options).stdout else "")
    except (OSError, subprocess.SubprocessError):
        return None


@contextlib.contextmanager
def reported_errors():
    """Ends the program with one clear line where a user's input is at fault."""
    try:
        with ends_on_sigterm():
            yield
    except KeyboardInterrupt:
        print("\nInterrupted. The same command with --resume goes on.")
        raise SystemExit(130) from None
    except (
        FileNotFoundError, ValueError, FloatingPointError, MemoryError,
    ) as error:  # fmt: skip
        raise SystemExit(f"error: {error or type(error).__name__}") from None
    except OSError as error:
        raise SystemExit(
            f"error: cannot write or read: {error}. Check the disk's free space and "
            "the permissions of --out."
        ) from None
    except Exception as error:
        # An image that cannot be read fails inside TensorFlow, which wraps the error.
        own = re.search(
            r"(?:ValueError|FileNotFoundError): (.+?)\nTraceback", str(error)
        )
        if own is None:
            raise
        raise SystemExit(f"error: {own.group(1)}") from None
