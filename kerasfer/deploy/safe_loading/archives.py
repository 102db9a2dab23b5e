"""Zip files from elsewhere."""

import contextlib
import pathlib
import struct
import zipfile
import zlib

from kerasfer.deploy.safe_loading.refusal import refuse

# What Python's zipfile raises at files that are none; a password is a RuntimeError.
_BROKEN = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def checked_zip(path, expected, most_bytes):
    """Opens a zip whose members are known, small enough, and whole.

    Args:
        path: of the file.
        expected: function, name of a member -> whether it may be there.
        most_bytes: of all members, unpacked.

    Raises:
        UnsafeModelError: not a zip, cut off, damaged; a member that leaves the folder
            it would be unpacked in, is there twice, or should not be there; too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, expected, most_bytes)
            yield archive
    except _BROKEN as error:
        refuse(path, f"it is not a whole zip file ({error}).")


def _check_members(path, archive, expected, most_bytes):
    names = archive.namelist()
    for name in names:
        parts = pathlib.PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or parts[:1] == ("/",) or ":" in name:
            refuse(path, f"its member {name!r} would be unpacked somewhere else.")
        if not expected(name):
            refuse(path, f"its member {name!r} should not be there.")
    if len(set(names)) != len(names):
        refuse(path, "a member is in it twice.")
    total = sum(member.file_size for member in archive.infolist())
    if total > most_bytes:
        refuse(path, f"it would unpack to {total} bytes; {most_bytes} at most.")
    damaged = archive.testzip()
    if damaged is not None:
        refuse(path, f"its member {damaged!r} is damaged.")
