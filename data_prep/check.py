r"""Looks for what is wrong with a manifest, before anything is trained on it.

    python data_prep/check.py faces/manifest.csv
    python data_prep/check.py faces/manifest.csv --out checked --ignore near_duplicate
    python data_prep/check.py faces/manifest.csv --write-clean faces/clean.csv

Finds unreadable and blank images; the same image twice, to the byte of its pixels
or nearly, within a split and across splits; and subjects in several splits. Prints the
classes of each split and the sizes of the images. With --out it writes problems.csv
(problem, path, other) and a contact sheet for each class. The exit code is 0 where
nothing was found, 1 where something was, 2 for a manifest that cannot be read.
"""

import dataclasses
import pathlib
import sys
from typing import Annotated, Literal

import tyro

Kind = Literal[
    "unreadable",
    "blank",
    "duplicate",
    "duplicate_across_splits",
    "near_duplicate",
    "near_duplicate_across_splits",
    "subject_across_splits",
]


@dataclasses.dataclass(frozen=True)
class Config:
    manifest: Annotated[
        pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="MANIFEST")
    ]
    """CSV of faces."""
    out: pathlib.Path | None = None
    """New folder for problems.csv and contact sheets."""
    ignore: tuple[Kind, ...] = ()
    """Problems that are none here: listed, but without effect on the exit code."""
    write_clean: pathlib.Path | None = None
    """New CSV: the manifest without unreadable, blank and double images. If copies
    are in several splits, the one in the test split is kept. MANIFEST itself is never
    changed."""
    examples: int = 5
    """How many of each problem to print."""


def main():
    config = tyro.cli(Config, description=__doc__)
    try:
        from kerasfer.preparation.checking.program import run

        sys.exit(1 if run(config) else 0)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
