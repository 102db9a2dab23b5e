"""Files that are whole or absent: written aside, then renamed."""

import contextlib
import os
import pathlib


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
