"""Faces of a recognition data set: no expressions, but who each one is.

Three layouts are told apart by their files: train.rec (RecordIO), tables of base64
(.tsv, the first release of MS-Celeb-1M), or a folder for each person, with a list of
images (.lst: number, identity, path) where only those are wanted.
"""

import base64
import binascii
import functools
import pathlib

from kerasfer.preparation.importing.data_set import Face, Rejected
from kerasfer.preparation.importing.record_io import checked_image, read_records
from kerasfer.preparation.importing.source import images_below
from kerasfer.vision.files import visible

SPLIT = "unlabeled"


def faces(folder):
    """A `Face` for each image, in split unlabeled, its person as subject.

    Args:
        folder: of the data set, or one .rec or .tsv file.

    Raises:
        FileNotFoundError: nothing of the layouts.
    """
    for ending, read in ((".rec", _of_records), (".tsv", _of_table), (".lst", _listed)):
        files = (
            [folder]
            if folder.is_file()
            else sorted(visible(folder.rglob(f"*{ending}"), folder))
        )
        files = [file for file in files if file.suffix == ending]
        if ending == ".lst":  # paths in a list start at the folder
            read = functools.partial(read, folder)
        if files:
            for file in files:
                yield from read(file)
            return
    yield from _in_folders(folder)


def _of_records(path):
    """Of insightface's archives: record 0 says where the images end."""
    last = None
    for number, labels, encoded in read_records(path):
        if number == 0 and len(labels) == 2:
            last = int(labels[0])  # from there on records are of persons
            continue
        if last is not None and number >= last:
            return
        identity = f"{int(labels[0]):07d}"
        yield Face(
            f"{identity}/{number:08d}.jpg",
            split=SPLIT,
            subject=identity,
            encoded=functools.partial(checked_image, encoded),
            called=f"{path.name}, record {number}",
        )


def _of_table(path):
    """Columns: person, rank, addresses of image and page, face, box, base64."""
    with path.open(encoding="utf8") as file:
        for line, text in enumerate(file, 1):
            called = f"{path.name}, line {line}"
            cells = text.rstrip("\n").split("\t")
            if len(cells) < 3:
                yield called, f"{len(cells)} columns; expected 7"
                continue
            yield Face(
                f"{cells[0]}/{path.stem}_{line:08d}.jpg",
                split=SPLIT,
                subject=cells[0],
                encoded=functools.partial(_decoded, cells[-1]),
                called=called,
            )


def _decoded(text):
    try:
        return checked_image(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise Rejected("its image is no base64") from None


def _listed(folder, path):
    with path.open(encoding="utf8") as file:
        for line, text in enumerate(file, 1):
            cells = text.rstrip("\n").split("\t")
            if len(cells) < 3:
                yield f"{path.name}, line {line}", f"{len(cells)} columns; expected 3"
                continue
            identity = cells[1].removesuffix(".000000")
            yield Face(cells[-1], split=SPLIT, subject=identity)


def _in_folders(folder):
    found = False
    for name, reason in images_below(folder):
        if reason:
            yield name, reason
            continue
        found = True
        person = pathlib.PurePosixPath(name).parent.as_posix()
        yield Face(name, split=SPLIT, subject="" if person == "." else person)
    if not found:
        raise FileNotFoundError(
            f"{folder} holds neither train.rec nor a .tsv, and no images: expected a "
            "folder for each person."
        )
