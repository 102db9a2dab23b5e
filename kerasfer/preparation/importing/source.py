"""The folder of a data set, out of an archive if it must be."""

import pathlib
import shutil
import stat
import tarfile
import typing
import zipfile

from kerasfer.preparation.importing.data_set import Rejected
from kerasfer.vision.files import is_system, walk

_MOST_MEMBERS = 20_000_000


def opened(source, unpacked, file_endings=()):
    """The folder of a source; an archive is unpacked into `unpacked`.

    Args:
        source: a folder, an archive, or a file with one of `file_endings`, which is
            given back as it is.
        unpacked: folder for what an archive holds.
        file_endings: with their dots.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: a file that is no archive; or one with a member that leaves its
            folder or is neither file nor folder, with too many, or with more bytes
            than there is room for.
    """
    if source.is_dir():
        return source
    if source.is_file() and source.suffix.lower() in file_endings:
        return source
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist.")
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            _check_members(source, unpacked, map(_of_zip, archive.infolist()))
            archive.extractall(unpacked)  # nosec B202
    elif tarfile.is_tarfile(source):
        with tarfile.open(source) as archive:
            _check_members(source, unpacked, map(_of_tar, archive))
            archive.extractall(unpacked, filter="data")
    else:
        files = "".join(f", nor a {ending} file" for ending in file_endings)
        raise ValueError(f"{source} is neither a folder nor a .zip or .tar{files}.")
    return unpacked


class _Member(typing.NamedTuple):
    name: str
    is_usual: bool
    """A regular file or a folder: no link, no device."""
    size: int


def _of_zip(info):
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where no Unix packed it
    return _Member(
        info.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), info.file_size
    )


def _of_tar(info):
    return _Member(info.name, info.isreg() or info.isdir(), info.size)


def _check_members(source, unpacked, members):
    """Refuses an archive before a file of it is written."""
    place = next(p for p in unpacked.absolute().parents if p.exists())
    room, total = shutil.disk_usage(place).free, 0
    for number, member in enumerate(members, 1):
        path = pathlib.PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{source}: its member {member.name!r} leaves the folder.")
        if not member.is_usual:
            raise ValueError(
                f"{source}: its member {member.name!r} is a link or a device. Expected "
                "files and folders alone; unpack it yourself if you trust it."
            )
        total += member.size
        if number > _MOST_MEMBERS or total > room:
            raise ValueError(
                f"{source} holds {number:,} members or more, of {total / 1e9:.1f} GB "
                f"unpacked. Expected {_MOST_MEMBERS:,} at most, and {place} has room "
                f"for {room / 1e9:.1f} GB."
            )


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
