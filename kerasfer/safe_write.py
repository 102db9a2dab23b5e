"""Files that are whole or absent: written under a temporary name, flushed, renamed."""

import contextlib
import errno
import os
import pathlib
import shutil
import time


@contextlib.contextmanager
def atomic_write(path):
    """Gives a path to write to; renames it to `path` if the block ends well.

    A kill, an error, a full disk or a loss of power in between leaves what stood at
    `path` as it was: the data reach the disk before the name does. The temporary name
    has the same endings (Keras and pandas look at them).

    >>> with atomic_write("table.csv") as temporary:
    ...     temporary.write_text("a,b")
    3
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path, durable=True):
    """Gives a folder to write into; renames it to `path` if the block ends well.

    Else it is removed with all that is in it.

    Args:
        path: of the folder.
        durable: whether each file is flushed to the disk first. Of hundreds of
            thousands of images, which can be made again, that would take minutes.

    Raises:
        FileExistsError: something stands at `path`; nothing was changed.

    >>> with new_folder("exported") as folder:
    ...     _ = (folder / "card.md").write_text("# Card")
    """
    path = pathlib.Path(path)
    if path.exists():
        raise FileExistsError(
            f"{path} exists. Choose another name, or remove it; nothing was changed."
        )
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if durable:
            for inner in temporary.rglob("*"):
                if not inner.is_symlink():
                    _flush(inner)
            _flush(temporary)
        os.rename(temporary, path)
        _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_leftovers(folder, age=0):
    """Removes what processes that were killed left of writing into a folder.

    Args:
        folder: none writes there now, or `age` is longer than any takes.
        age: seconds since it was last written.
    """
    for left in pathlib.Path(folder).glob(".writing-*"):
        if age and time.time() - left.stat().st_mtime < age:
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def require_room(folder, size):
    """Raises an OSError if a disk has no room for so many bytes.

    Asked before a file is written whose library does not survive a full disk.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            errno.ENOSPC,
            f"the disk of {folder} has {free / 2**20:.0f} MiB left, and "
            f"{size / 2**20:.0f} are needed",
        )


def _flush(path):
    """To the disk: a file's data, or a folder's names."""
    if path.is_dir() and os.name != "posix":
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder.
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(descriptor)
