"""Files of a folder: which are images, which videos, and why others are neither."""

import os
import pathlib
import typing
from collections.abc import Iterable, Iterator

from kerasfer.types import PathLike
from kerasfer.vision.images import cv2

VIDEOS = frozenset(
    (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
)
"""Endings of videos; images are known by their content."""

_SYSTEM = frozenset(("__macosx", "@eadir", "thumbs.db", "desktop.ini", "$recycle.bin"))
_HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


class Found(typing.NamedTuple):
    """A file or folder that was found."""

    path: pathlib.Path
    reason: str = ""
    """Why it is not used; empty for an image, or a video where those are wanted."""


def is_system(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or of an operating system.

    >>> is_system("._face.png"), is_system("__MACOSX"), is_system("face.png")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _SYSTEM


def visible(paths: Iterable[pathlib.Path], root: PathLike) -> Iterator[pathlib.Path]:
    """Those of some paths below a root that are in no hidden or system folder, and are
    none themselves."""
    for path in paths:
        if not any(map(is_system, path.relative_to(root).parts)):
            yield path


def walk(folder: PathLike, videos: bool = False) -> Iterator[Found]:
    """The files below a folder but the hidden ones, sorted by name within each folder.

    An image is what OpenCV reads, whatever its ending. Linked folders are not entered:
    a circle would have no end, and a face two names.

    Args:
        folder: where to begin.
        videos: whether files with the ending of a video are wanted too.

    Yields:
        a `Found` for each file, and for each folder that is linked.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder.")
    for inner, folders, files in os.walk(folder):
        place = pathlib.Path(inner)
        folders[:] = sorted(name for name in folders if not is_system(name))
        for name in folders:
            if (place / name).is_symlink():
                yield Found(
                    place / name,
                    "a link to a folder, which is not entered: put the folder itself "
                    "there, or give its own path",
                )
        for name in sorted(files):
            if not is_system(name):
                yield Found(place / name, _reason(place / name, videos))


def hidden(folder: PathLike) -> Iterator[Found]:
    """The hidden and system files and folders below a folder, which `walk` leaves out,
    such as what macOS adds to archives; folders are not entered."""
    for inner, folders, files in os.walk(folder):
        place = pathlib.Path(inner)
        for kind, names in (("folder", folders), ("file", files)):
            for name in filter(is_system, sorted(names)):
                yield Found(place / name, f"a hidden or system {kind}")
        folders[:] = sorted(name for name in folders if not is_system(name))


def _reason(path, videos):
    """Why a file is not used, empty for one that is."""
    if path.suffix.lower() in VIDEOS:
        return "" if videos else "a video"
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not start:
        return "an empty file"
    if cv2.haveImageReader(str(path)):
        return ""
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF:
        return "a HEIC image, which OpenCV does not read: convert it to JPEG or PNG"
    return "no image that OpenCV reads"
