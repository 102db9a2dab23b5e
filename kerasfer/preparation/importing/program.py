"""An importer's main program."""

import collections
import contextlib
import csv
import dataclasses
import os
import pathlib
import shutil
import sys
from typing import Annotated, Literal

import tyro

MANIFEST, REJECTED = "manifest.csv", "rejected.csv"
COLUMNS = ("path", "label", "split", "subject", "original_label")


@dataclasses.dataclass(frozen=True)
class Config:
    source: Annotated[
        pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")
    ]
    """The official archive, or the folder it was unpacked into."""
    out: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """New folder for manifest.csv, rejected.csv and the licence notice."""
    output: Literal["files", "tfrecord"] = "files"
    """files: images stay where they are, those that are no files are written below
    OUT; tfrecord: the bytes of all are packed into shards below OUT."""


def main(config_class, data_set_of, description):
    """An importer's main program.

    Args:
        config_class: `Config`, or one with further flags.
        data_set_of: function, config -> `DataSet`.
        description: for --help.
    """
    config = tyro.cli(config_class, description=description)
    try:
        convert(data_set_of(config), config.source, config.out, config.output)
    except KeyboardInterrupt:
        sys.exit(f"Interrupted; {config.out} was not written.")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def convert(data_set, source, out, output="files"):
    """Writes the manifest of a data set, whole or not at all.

    Its columns: path, label (for expressions a name of `vision.images.EXPRESSIONS`),
    split, subject, original_label, and the data set's attributes.

    Raises:
        ValueError: nothing that can be used, or a table that `read_manifest` refuses.
    """
    from kerasfer.data.licences import write_notice
    from kerasfer.data.manifest_file import read_manifest
    from kerasfer.preparation.importing.source import opened
    from kerasfer.preparation.importing.totals import print_totals
    from kerasfer.safe_write import new_folder

    print(data_set.notice)
    print(f"This importer was tested on {data_set.tested_on}.")
    with new_folder(out, durable=False) as folder:
        unpacked = folder / "files"
        files = opened(source, unpacked, data_set.file_endings)
        with _place(output, folder, data_set.images or files) as place:
            counts, reasons = _write(data_set, files, folder, place)
        if not counts:
            raise ValueError(
                f"No usable image in {source}, expected {data_set.name}; nothing was "
                f"written. {_most_common(reasons)}{data_set.request}"
            )
        if not place.needs_source:
            shutil.rmtree(unpacked, ignore_errors=True)
        for file in filter(os.path.isfile, data_set.carried):
            shutil.copy(file, folder)
        write_notice(folder, [data_set.notice])
        read_manifest(folder / MANIFEST)  # refuses what no training could use
    print_totals(data_set, counts, reasons)
    print(f"Wrote {out / MANIFEST}.")


def _place(output, folder, images):
    if output == "tfrecord":
        from kerasfer.preparation.importing.shards import Shards

        return Shards(folder, images)
    from kerasfer.preparation.importing.files import Files

    return Files(folder, images)


def _write(data_set, files, folder, place):
    """Both tables, row by row; counts of (split, class), and of reasons."""
    from tqdm import tqdm

    from kerasfer.preparation.importing.data_set import Face, Rejected
    from kerasfer.vision.files import hidden

    names = data_set.attributes
    counts, reasons = collections.Counter(), collections.Counter()
    with (
        _table(folder / MANIFEST, (*COLUMNS, *names)) as kept,
        _table(folder / REJECTED, ("path", "reason")) as rejected,
    ):
        for entry in tqdm(data_set.faces(files), unit="image", disable=None):
            try:
                if not isinstance(entry, Face):
                    raise Rejected(entry[1])
                label = data_set.class_of(entry.original_label)
                path = place.add(entry)
            except Rejected as reason:
                rejected((getattr(entry, "called", "") or entry[0], reason))
                reasons[str(reason)] += 1
                continue
            fixed = (path, label, entry.split, entry.subject, entry.original_label)
            kept((*fixed, *(entry.attributes.get(name, "") for name in names)))
            counts[entry.split, label] += 1
        for found in hidden(files) if files.is_dir() else ():
            rejected((found.path.relative_to(files).as_posix(), found.reason))
            reasons[found.reason] += 1
    return counts, reasons


@contextlib.contextmanager
def _table(path, header):
    """Gives a function that writes a row."""
    with path.open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        yield writer.writerow


def _most_common(reasons):
    return "".join(f"{n} times: {reason}. " for reason, n in reasons.most_common(1))
