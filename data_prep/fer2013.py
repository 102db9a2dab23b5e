r"""FER2013, with its own labels or those of FER+, to images and a manifest.

    python data_prep/fer2013.py fer2013.csv OUT
    python data_prep/fer2013.py fer2013.csv OUT --ferplus fer2013new.csv --rule majority
    python data_prep/fer2013.py images.tar OUT --ferplus votes.csv

SOURCE is Kaggle's fer2013.csv, the image release (train/<class>/*.png, test/...), a
folder that holds either, or a .zip or .tar of either. All images are written below OUT;
what cannot be used is listed in OUT/rejected.csv with the reason.
"""

import csv
import dataclasses
import functools
import pathlib
from typing import Literal

import numpy as np

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face, Rejected
from kerasfer.preparation.importing.ferplus import vote, votes_by_path, votes_by_row
from kerasfer.preparation.importing.source import images_below
from kerasfer.preparation.tables import opened_table
from kerasfer.vision.expressions import expression
from kerasfer.vision.files import visible
from kerasfer.vision.images import EXPRESSIONS, cv2, read_image

# FER2013's own classes, in the order of its numbers, under the names of FER+.
_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_SPLITS = {
    "training": "train",
    "train": "train",
    "publictest": "validation",
    "validation": "validation",
    "val": "validation",
    "privatetest": "test",
    "test": "test",
}
_SIDE = 48
_SIZES = {"train": 28709, "validation": 3589, "test": 3589}
# By rule, in the order of EXPRESSIONS.
_FERPLUS = {
    "majority": {
        "train": (8740, 7287, 3149, 3014, 2100, 119, 532, 119),
        "validation": (1182, 865, 415, 351, 287, 24, 62, 13),
        "test": (1090, 893, 396, 384, 273, 18, 83, 16),
    },
    "plurality": {
        "train": (10309, 7528, 3562, 3515, 2467, 191, 652, 165),
        "validation": (1335, 899, 456, 412, 319, 34, 74, 24),
        "test": (1262, 928, 444, 444, 325, 23, 93, 27),
    },
}


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    ferplus: pathlib.Path | None = None
    """FER+ votes: fer2013new.csv, row by row with fer2013.csv; or a CSV with a column
    `path`, as in the image release. A name inside the archive will do."""
    rule: Literal["majority", "plurality"] = "plurality"
    """Label from ten votes. majority: single votes dropped, more than half of the rest;
    plurality: the most votes (of equals the first in FER+'s order)."""


def faces(source, ferplus, rule):
    """A `Face` for each row of the CSV, or each image of the release."""
    table = _pixel_table(source)
    if table is not None:
        yield from _faces_of_csv(table, source, ferplus, rule)
        return
    images, others = [], []
    for name, reason in images_below(source):
        path = source / name
        if not reason and expression(path.parent.name) in _CLASSES:
            images.append(path)
        elif path.suffix != ".csv":  # votes may lie beside the images
            others.append((path, reason or "its folder is none of FER2013's classes"))
    if not images:
        raise ValueError(
            f"{source} holds no CSV with the columns emotion, pixels, Usage, and no "
            f"images in folders <split>/<class> with classes {', '.join(_CLASSES)}."
        )
    images.sort()
    root = images[0].parents[2]
    for path, reason in others:
        yield _name(path, root), reason
    yield from _faces_of_images(images, root, source, ferplus, rule)


def _pixel_table(source):
    """The CSV with columns emotion and pixels, if the source is or holds one."""
    for path in (
        [source] if source.is_file() else sorted(visible(source.rglob("*.csv"), source))
    ):
        with opened_table(path, errors="replace") as rows:
            header = {name.lower() for name in rows.fieldnames}
        if {"emotion", "pixels"} <= header:
            return path
    if source.is_file():
        raise ValueError(f"{source} is no CSV with the columns emotion, pixels, Usage.")
    return None


def _faces_of_csv(path, source, ferplus, rule):
    csv.field_size_limit(2**24)
    with opened_table(path, errors="replace") as table:
        table.fieldnames = [name.lower() for name in table.fieldnames]
        rows = list(table)
    votes = votes_by_row(ferplus, source, len(rows)) if ferplus else [None] * len(rows)
    for number, (row, votes_of_row) in enumerate(zip(rows, votes, strict=True)):
        called = f"{path.name}, line {number + 2}"
        try:
            split = _split_of(row.get("usage"), "Usage")
            own = _class_of_number(row.get("emotion"))
            label = own if ferplus is None else _voted(votes_of_row, rule)
        except Rejected as reason:
            yield called, str(reason)
            continue
        yield Face(
            f"{split}/fer{number:07d}.png",
            label,
            split,
            attributes={"fer2013_label": own},
            encoded=functools.partial(_drawn, row.get("pixels")),
            called=called,
        )


def _name(path, root):
    return path.relative_to(root).as_posix() if root in path.parents else str(path)


def _faces_of_images(images, root, source, ferplus, rule):
    votes = votes_by_path(ferplus, source) if ferplus else {}
    for path in images:
        name = _name(path, root)
        try:
            split = _split_of(path.parent.parent.name, "split folder")
            own = expression(path.parent.name)
            label = own if ferplus is None else _voted(votes.get(name), rule)
        except Rejected as reason:
            yield name, str(reason)
            continue
        yield Face(
            name,
            label,
            split,
            attributes={"fer2013_label": own},
            encoded=functools.partial(_checked, path),
        )


def _drawn(pixels):
    """The PNG of a row's pixels."""
    try:
        values = np.array((pixels or "").split(), dtype=np.int64)
    except ValueError:
        raise Rejected("pixels that are not whole numbers") from None
    if values.size != _SIDE**2:
        raise Rejected(f"{values.size} pixels instead of {_SIDE**2}")
    if values.min() < 0 or values.max() > 255:
        raise Rejected("pixels outside 0..255")
    image = values.astype(np.uint8).reshape(_SIDE, _SIDE)
    return cv2.imencode(".png", image)[1].tobytes()


def _checked(path):
    """The bytes of an image file."""
    try:
        read_image(path)
    except ValueError:
        raise Rejected("unreadable image") from None
    return path.read_bytes()


def _voted(votes, rule):
    if votes is None:
        raise Rejected("no FER+ votes")
    if not votes:
        raise Rejected("FER+ names no image")
    return vote(votes, rule)


def _class_of_number(text):
    if (text or "").strip() not in map(str, range(len(_CLASSES))):
        raise Rejected(f"unknown label {text!r}")
    return _CLASSES[int(text)]


def _split_of(text, what):
    if (text or "").strip().lower() not in _SPLITS:
        raise Rejected(f"unknown {what} {text!r}")
    return _SPLITS[text.strip().lower()]


def data_set(ferplus=None, rule="plurality"):
    totals, source = _SIZES, "the challenge (28,709 / 3,589 / 3,589 images)"
    if ferplus is not None:
        totals = {
            split: dict(zip(EXPRESSIONS, counts, strict=True))
            for split, counts in _FERPLUS[rule].items()
        }
        source = f"the official files, counted by the rule {rule}"
    return DataSet(
        name="FER2013" if ferplus is None else f"FER2013 with FER+ labels ({rule})",
        request=(
            "Get fer2013.csv from Kaggle under its terms (challenges-in-representation-"
            "learning-facial-expression-recognition-challenge), and FER+ from "
            "github.com/microsoft/FERPlus."
        ),
        notice=(
            "FER2013: under the rules of its Kaggle competition, images of third "
            "parties; not to be passed on. Papers must cite Goodfellow et al., 2013"
            + (", and FER+ (MIT licence) Barsoum et al., 2016." if ferplus else ".")
        ),
        faces=functools.partial(faces, ferplus=ferplus, rule=rule),
        attributes=("fer2013_label",),
        totals=totals,
        totals_source=source,
        file_endings=(".csv",),
        tested_on="an excerpt of the real files, in both forms",
    )


def main():
    program.main(Config, lambda config: data_set(config.ferplus, config.rule), __doc__)


if __name__ == "__main__":
    main()
