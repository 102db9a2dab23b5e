"""An importer's main program."""

import collections
import csv
import dataclasses
import os
import pathlib
import sys
from typing import Annotated

import tyro

from importing.data_set import Face
from importing.source import opened
from kerasfer.faces import EXPRESSIONS
from kerasfer.safe_write import new_folder

MANIFEST, REJECTED, NOTICE = "manifest.csv", "rejected.csv", "LICENCE_NOTICE.txt"


@dataclasses.dataclass(frozen=True)
class Config:
    source: Annotated[pathlib.Path, tyro.conf.Positional]
    """The official archive, or the folder it was unpacked into."""
    out: Annotated[pathlib.Path, tyro.conf.Positional]
    """New folder for manifest.csv, rejected.csv and the licence notice."""


def main(config_class, data_set_of, description):
    """An importer's main program.

    Args:
        config_class: `Config`, or one with further flags.
        data_set_of: function, config -> `DataSet`.
        description: for --help.
    """
    config = tyro.cli(config_class, description=description)
    try:
        convert(data_set_of(config), config.source, config.out)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def convert(data_set, source, out):
    """Writes the manifest of a data set, whole or not at all.

    Its columns: path, label (a name of `kerasfer.faces.EXPRESSIONS`), split, subject,
    original_label, and the data set's attributes.

    Raises:
        ValueError: nothing that can be used.
    """
    print(data_set.notice)
    if not data_set.was_run:
        print("This importer was tested on made-up files, never on the real ones.")
    with new_folder(out) as folder:
        files = opened(source, folder / "files")
        kept, rejected = _sorted_out(data_set, files)
        if not kept:
            raise ValueError(f"No usable face in {source}. {data_set.request}")
        inside = files != source
        root = pathlib.Path("files") if inside else files.resolve()
        _write(folder / MANIFEST, _header(data_set), _rows(data_set, kept, root))
        _write(folder / REJECTED, ("path", "reason"), rejected)
        (folder / NOTICE).write_text(f"{data_set.name}: {data_set.notice}\n")
        _say(data_set, kept, rejected)
    print(f"Wrote {out / MANIFEST}.")


def _sorted_out(data_set, files):
    kept, rejected = [], []
    for entry in data_set.faces(files):
        if not isinstance(entry, Face):
            rejected.append(entry)
        elif entry.original_label not in data_set.labels:
            rejected.append((entry.path, f"unknown label {entry.original_label!r}"))
        elif not data_set.labels[entry.original_label]:
            rejected.append((entry.path, f"label {entry.original_label} is no class"))
        elif not os.path.isfile(files / entry.path):
            rejected.append((entry.path, "its file is not there"))
        else:
            kept.append(entry)
    return kept, rejected


def _header(data_set):
    fixed = ("path", "label", "split", "subject", "original_label")
    return (*fixed, *data_set.attributes)


def _rows(data_set, kept, root):
    for face in kept:
        label = data_set.labels[face.original_label]
        more = [face.attributes.get(name, "") for name in data_set.attributes]
        path = root / face.path
        yield (path, label, face.split, face.subject, face.original_label, *more)


def _write(path, header, rows):
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _say(data_set, kept, rejected):
    """Totals, and how they differ from those of the cited source."""
    counts = collections.Counter(
        (f.split, data_set.labels[f.original_label]) for f in kept
    )
    for split in dict.fromkeys(face.split for face in kept):
        listed = {name: counts[split, name] for name in EXPRESSIONS}
        shown = ", ".join(f"{name} {count}" for name, count in listed.items() if count)
        print(f"{split}: {sum(listed.values())} faces ({shown})")
    print(f"rejected: {len(rejected)}")
    for reason, count in collections.Counter(r for _, r in rejected).most_common(10):
        print(f"  {count:6d}  {reason}")
    if not data_set.totals:
        print("No reference for the totals is stored.")
        return
    wrong = [
        f"{split} {name}: {counts[split, name]} instead of {expected}"
        for split, classes in data_set.totals.items()
        for name, expected in classes.items()
        if counts[split, name] != expected
    ]
    if wrong:
        print(f"The totals differ from {data_set.totals_source}: {'; '.join(wrong)}.")
    else:
        print(f"The totals are those of {data_set.totals_source}.")
