"""The folder of a data set, out of an archive if it must be."""

import pathlib
import tarfile
import zipfile

from kerasfer.preparation.importing.data_set import Rejected
from kerasfer.vision.files import is_system, walk


def opened(source, unpacked, file_endings=()):
    """The folder of a source; an archive is unpacked into `unpacked`.

    Args:
        source: a folder, an archive, or a file with one of `file_endings`, which is
            given back as it is.
        unpacked: folder for what an archive holds.
        file_endings: with their dots.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: a file that is no archive, or one that leaves its folder.
    """
    if source.is_dir():
        return source
    if source.is_file() and source.suffix.lower() in file_endings:
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
        files = "".join(f", nor a {ending} file" for ending in file_endings)
        raise ValueError(f"{source} is neither a folder nor a .zip or .tar{files}.")
    return unpacked


def _check_names(source, names):
    for name in names:
        path = pathlib.PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{source}: its member {name!r} leaves the folder.")


def below(name):
    """A name as a path below the folder of a source.

    Raises:
        Rejected: it leads out of it.
    """
    path = pathlib.PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Rejected("its name leaves the folder of the source")
    return path


def found_below(folder, name, what):
    """The one file or folder of a name below a folder, the least deep.

    Raises:
        FileNotFoundError: there is none; with what was looked for.
    """
    level = [pathlib.Path(folder)]
    while level:
        for inner in level:
            if (inner / name).exists():
                return inner / name
        level = [
            below
            for inner in level
            for below in sorted(inner.iterdir())
            if below.is_dir() and not below.is_symlink() and not is_system(below.name)
        ]
    raise FileNotFoundError(f"{folder} holds no {name}: expected {what}.")


def images_below(folder):
    """(name, reason) of each file below a folder, sorted; the reason is empty for an
    image. Hidden files are none, see `kerasfer.vision.files`."""
    for found in walk(folder):
        yield found.path.relative_to(folder).as_posix(), found.reason
