"""The error of a refused model, and checks that all formats share."""

import contextlib

MOST_BYTES = 4 * 2**30
DESCRIPTION = "kerasfer.json"


class UnsafeModelError(ValueError):
    """A model file that is not loaded, with the reason."""


def refuse(path, reason):
    """Raises an UnsafeModelError."""
    raise UnsafeModelError(f"{path} is refused: {reason}")


@contextlib.contextmanager
def damage_refused(path):
    """Whatever a library raises while it loads a file that was let through: files that
    are damaged inside, or made to be, make any error."""
    try:
        yield
    except (ImportError, UnsafeModelError):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise UnsafeModelError(
            f"{path} is refused: it is damaged ({kind}: {error!s:.300})."
        ) from error


def check_size(path, most_bytes, paths=None):
    """That files are there, are files rather than links, and are not too large."""
    total = 0
    for file in paths or [path]:
        if file.is_symlink():
            refuse(path, f"{file.name} is a link to somewhere else.")
        if not file.is_file():
            refuse(path, f"{file.name} is not there.")
        total += file.stat().st_size
    if total > most_bytes:
        refuse(
            path,
            f"{total} bytes; expected {most_bytes} at most. Give `most_bytes` if it is "
            "meant to be that large.",
        )


def described(archive):
    """The description in a zip, as text, or None."""
    if DESCRIPTION not in archive.namelist():
        return None
    return archive.read(DESCRIPTION).decode("utf8", "replace")
