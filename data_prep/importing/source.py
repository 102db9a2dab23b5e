"""The folder of a data set, out of an archive if it must be."""

import os
import pathlib
import tarfile
import zipfile


def opened(source, unpacked):
    """The folder of a source; an archive is unpacked into `unpacked`.

    Members that would lie outside of it are refused by the library that unpacks.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: a file that is no archive, or one that leaves its folder.
    """
    if source.is_dir():
        return source
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist.")
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            _check_names(source, archive.namelist())
            archive.extractall(unpacked)
    elif tarfile.is_tarfile(source):
        with tarfile.open(source) as archive:
            _check_names(source, archive.getnames())
            archive.extractall(unpacked, filter="data")
    else:
        raise ValueError(f"{source} is neither a folder nor a .zip or .tar.")
    return unpacked


def _check_names(source, names):
    for name in names:
        path = pathlib.PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{source}: its member {name!r} leaves the folder.")


def found_below(folder, name, what):
    """The one file or folder of a name below a folder, the least deep.

    Raises:
        FileNotFoundError: there is none; with what was looked for.
    """
    for inner, folders, files in os.walk(folder):
        folders.sort()
        if name in folders or name in files:
            return pathlib.Path(inner) / name
    raise FileNotFoundError(f"{folder} holds no {name}: expected {what}.")
