"""Files that are whole or absent: written aside, then renamed."""

import contextlib
import os
import pathlib
import shutil


@contextlib.contextmanager
def written_aside(path):
    """Gives a path to write to; renames it to `path` if the block ends well.

    A kill, an error or a full disk in between leaves what stood at `path` as it was.
    The temporary name has the same endings (Keras and pandas look at them).

    >>> with written_aside("table.csv") as aside:
    ...     aside.write_text("a,b")
    3
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path):
    """Gives a folder to write into; renames it to `path` if the block ends well.

    Else it is removed with all that is in it.

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
    aside = path.with_name(f".writing-{os.getpid()}-{path.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        os.rename(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
