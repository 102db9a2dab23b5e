"""FER2013, with its own labels or those of FER+, to images and a manifest.

    python data_prep/fer2013.py fer2013.csv OUT
    python data_prep/fer2013.py fer2013.csv OUT --ferplus fer2013new.csv --rule majority
    python data_prep/fer2013.py images.tar OUT --ferplus votes.csv

SOURCE is Kaggle's fer2013.csv, the image release (train/<class>/*.png, test/...), a
folder that holds either, or a .zip or .tar of either. What cannot be used is counted
and listed in OUT/rejected.csv with the reason. FER2013 must be fetched by yourself
under Kaggle's terms
(challenges-in-representation-learning-facial-expression-recognition-challenge); FER+ is
at github.com/microsoft/FERPlus.
"""

import collections
import contextlib
import csv
import dataclasses
import pathlib
import shutil
import sys
import tarfile
import tempfile
import zipfile
from typing import Annotated, Literal

import numpy as np
import tyro
from tqdm import tqdm

from kerasfer.faces import EXPRESSIONS, cv2, read_image

# FER2013's own classes, in the order of its numbers, under the names of FER+.
_FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_FOLDERS = {
    **{name: name for name in _FER2013},
    "angry": "anger",
    "happy": "happiness",
    "sad": "sadness",
}
_SPLITS = {
    "training": "train",
    "train": "train",
    "publictest": "validation",
    "validation": "validation",
    "val": "validation",
    "privatetest": "test",
    "test": "test",
}
_VOTES = (*EXPRESSIONS, "unknown", "NF")
_SIDE = 48
_IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


@dataclasses.dataclass(frozen=True)
class Config:
    source: Annotated[pathlib.Path, tyro.conf.Positional]
    """fer2013.csv, a folder of images, or a .zip or .tar of either."""
    out: Annotated[pathlib.Path, tyro.conf.Positional]
    """New folder for images, manifest.csv and rejected.csv."""
    ferplus: pathlib.Path | None = None
    """FER+ votes: fer2013new.csv, row by row with fer2013.csv; or a CSV with a column
    `path`, as in the image release. A name inside the archive will do."""
    rule: Literal["majority", "plurality"] = "plurality"
    """Label from ten votes. majority: single votes dropped, more than half of the rest;
    plurality: the most votes (of equals the first in FER+'s order)."""


class Rejected(Exception):
    """Why one image cannot be used."""


@dataclasses.dataclass
class Face:
    """One candidate: where it stands, its split, and how to get label and pixels."""

    name: str  # in rejected.csv
    target: str  # path in the output folder
    split: str
    label: str  # FER2013's own
    votes: list | None
    write: object  # function of the output path; raises Rejected


def main():
    config = tyro.cli(Config, description=__doc__)
    try:
        convert(config)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def convert(config):
    """Writes the output folder whole, or not at all."""
    out = config.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists. Choose a new folder; nothing was changed.")
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".writing-{out.name}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with _unpacked(config.source) as source:
            faces, rejected = _candidates(source, config)
            kept = _write_faces(faces, rejected, aside, config)
        _say(kept, rejected)
        if not kept:
            raise ValueError(f"No usable face in {config.source}; nothing was written.")
        _write_csv(aside / "manifest.csv", ("path", "label", "split"), kept)
        _write_csv(aside / "rejected.csv", ("source", "reason"), rejected)
        if out.exists():
            out.rmdir()
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    print(f"Wrote {out / 'manifest.csv'}.")


def _write_faces(faces, rejected, folder, config):
    """Writes the usable faces; the others are added to `rejected`."""
    kept = []
    for face in tqdm(faces, unit="face", disable=None):
        try:
            label = _label(face, config)
            path = folder / face.target
            path.parent.mkdir(parents=True, exist_ok=True)
            face.write(path)
            kept.append((face.target, label, face.split))
        except Rejected as reason:
            rejected.append((face.name, str(reason)))
    return kept


# --- where the faces are --------------------------------------------------------------


@contextlib.contextmanager
def _unpacked(source):
    """The source as a file or folder; an archive is unpacked for the time being."""
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist.")
    is_zip = source.is_file() and zipfile.is_zipfile(source)
    if not is_zip and not (source.is_file() and tarfile.is_tarfile(source)):
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        if is_zip:
            with zipfile.ZipFile(source) as archive:
                archive.extractall(folder)
        else:
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
        yield pathlib.Path(folder)


def _candidates(source, config):
    """All faces of the source, and those rejected before they are looked at."""
    table = _pixel_table(source)
    if table is not None:
        votes = _votes_by_row(config.ferplus, source)
        return _faces_of_csv(table, votes)
    if source.is_file():
        raise ValueError(
            f"{source} is neither a CSV with the columns emotion, pixels, Usage, nor a "
            ".zip or .tar."
        )
    images = _labeled_images(source)
    if not images:
        raise ValueError(
            f"{source} holds no CSV with the columns emotion, pixels, Usage, and no "
            f"images in folders <split>/<class> with classes {', '.join(_FOLDERS)}."
        )
    root = images[0].parents[2]
    return _faces_of_folder(images, root, _votes_by_path(config.ferplus, source))


def _pixel_table(source):
    """The CSV with columns emotion and pixels, if the source is or holds one."""
    for path in [source] if source.is_file() else sorted(source.rglob("*.csv")):
        with path.open(newline="", encoding="utf8", errors="replace") as file:
            header = {name.strip().lower() for name in next(csv.reader(file), [])}
        if {"emotion", "pixels"} <= header:
            return path
    return None


def _labeled_images(folder):
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _IMAGE_ENDINGS
        and path.parent.name.lower() in _FOLDERS
    )


def _faces_of_csv(path, votes):
    csv.field_size_limit(2**24)
    faces, rejected = [], []
    with path.open(newline="", encoding="utf8", errors="replace") as file:
        reader = csv.reader(file)
        header = [name.strip().lower() for name in next(reader)]
        rows = [dict(zip(header, values, strict=False)) for values in reader]
    if votes is not None and len(votes) != len(rows):
        raise ValueError(
            f"FER+ goes row by row with {path.name}. Expected {len(rows)} rows. "
            f"Received: {len(votes)}."
        )
    for number, row in enumerate(rows):
        name = f"{path.name}, line {number + 2}"
        try:
            split = _look_up(row.get("usage"), _SPLITS, "Usage")
            label = _class_of_number(row.get("emotion"))
        except Rejected as reason:
            rejected.append((name, str(reason)))
            continue
        target = f"images/{split}/fer{number:07d}.png"
        own = None if votes is None else votes[number]
        faces.append(Face(name, target, split, label, own, _pixel_writer(row)))
    return faces, rejected


def _faces_of_folder(images, root, votes):
    faces, rejected = [], []
    for path in images:
        name = path.relative_to(root).as_posix() if root in path.parents else str(path)
        try:
            split = _look_up(path.parent.parent.name, _SPLITS, "split folder")
        except Rejected as reason:
            rejected.append((name, str(reason)))
            continue
        label = _FOLDERS[path.parent.name.lower()]
        own = None if votes is None else votes.get(name)
        faces.append(Face(name, f"images/{name}", split, label, own, _copier(path)))
    return faces, rejected


def _pixel_writer(row):
    def write(target):
        try:
            pixels = np.array((row.get("pixels") or "").split(), dtype=np.int64)
        except ValueError:
            raise Rejected("pixels that are not whole numbers") from None
        if pixels.size != _SIDE**2:
            raise Rejected(f"{pixels.size} pixels instead of {_SIDE**2}")
        if pixels.min() < 0 or pixels.max() > 255:
            raise Rejected("pixels outside 0..255")
        image = pixels.astype(np.uint8).reshape(_SIDE, _SIDE)
        if not cv2.imwrite(str(target), image):
            raise OSError(f"cannot write {target}: disk full or read-only?")

    return write


def _copier(path):
    def write(target):
        try:
            read_image(path)
        except ValueError:
            raise Rejected("unreadable image") from None
        shutil.copyfile(path, target)

    return write


# --- labels ---------------------------------------------------------------------------


def _label(face, config):
    if config.ferplus is None:
        return face.label
    if face.votes is None:
        raise Rejected("no FER+ votes")
    if not face.votes:
        raise Rejected("FER+ names no image")
    return vote(face.votes, config.rule)


def vote(votes, rule):
    """The label of ten taggers' votes.

    Args:
        votes: counts in the order of FER+: eight expressions, unknown, NF (not a face).
        rule: "majority" (FER+'s own: single votes are dropped, then more than half of
            the rest) or "plurality" (the most votes, the first of equals).

    Raises:
        Rejected: unknown or not a face won, or nothing did.

    >>> vote([6, 3, 1, 0, 0, 0, 0, 0, 0, 0], "majority")
    'neutral'
    """
    if rule == "majority":
        votes = [count if count > 1 else 0 for count in votes]
    most = max(votes)
    if most == 0 or (rule == "majority" and most <= 0.5 * sum(votes)):
        raise Rejected("no FER+ majority")
    winner = _VOTES[votes.index(most)]
    if winner not in EXPRESSIONS:
        raise Rejected(f"FER+ votes for {winner}")
    return winner


def _votes_by_row(path, source):
    """One list of ten counts a row, empty where FER+ names no image."""
    if path is None:
        return None
    rows = _read_votes(path, source)
    if rows and "path" in rows[0]:
        raise ValueError(
            f"{path} is keyed by path, but fer2013.csv has rows, no paths."
        )
    return [_counts(row, path) if row.get("Image name") else [] for row in rows]


def _votes_by_path(path, source):
    if path is None:
        return None
    rows = _read_votes(path, source)
    if rows and "path" not in rows[0]:
        raise ValueError(
            f"{path} has no column `path`. Row-aligned FER+ votes go with fer2013.csv; "
            "for images, give votes with a column path (e.g. train/angry/x.png)."
        )
    return {row["path"]: _counts(row, path) for row in rows}


def _read_votes(path, source):
    if not path.exists() and source.is_dir():
        path = next(iter(sorted(source.rglob(str(path)))), path)
    if not path.exists():
        raise FileNotFoundError(f"--ferplus {path} does not exist, nor in the source.")
    with path.open(newline="", encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in _VOTES if not rows or name not in rows[0]]
    if missing:
        raise ValueError(f"{path}: columns missing: {', '.join(missing)}.")
    return rows


def _counts(row, path):
    try:
        return [int(row[name]) for name in _VOTES]
    except (TypeError, ValueError):
        raise ValueError(f"{path}: votes that are not whole numbers: {row}.") from None


def _class_of_number(text):
    if (text or "").strip() not in map(str, range(len(_FER2013))):
        raise Rejected(f"unknown label {text!r}")
    return _FER2013[int(text)]


def _look_up(text, table, what):
    if (text or "").strip().lower() not in table:
        raise Rejected(f"unknown {what} {text!r}")
    return table[text.strip().lower()]


# --- output ---------------------------------------------------------------------------


def _write_csv(path, header, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _say(kept, rejected):
    counts = collections.Counter((split, label) for _, label, split in kept)
    for split in ("train", "validation", "test"):
        classes = {name: counts[split, name] for name in EXPRESSIONS}
        if sum(classes.values()):
            listed = ", ".join(f"{k} {v}" for k, v in classes.items() if v)
            print(f"{split}: {sum(classes.values())} faces ({listed})")
    print(f"rejected: {len(rejected)}")
    for reason, count in collections.Counter(r for _, r in rejected).most_common(10):
        print(f"  {count:6d}  {reason}")


if __name__ == "__main__":
    main()
