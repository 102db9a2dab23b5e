r"""Finished runs side by side: differences with their errors, on one page.

    python recipes/compare.py runs/margin_mix/rendered_balanced-labels=560
    python recipes/compare.py runs/a/DATA/seed0/fixmatch runs/b/DATA/seed0/fixmatch
    python recipes/compare.py RUNS OTHER_RUNS --reference fixmatch --page compared.html
    python recipes/compare.py RUNS --tables paper       (LaTeX, Markdown, CSV)
    python recipes/compare.py runs/study/rendered       (a study, by its own names)

Given are folders of runs, or folders above them. Runs of two methods are a pair where
seed, protocol and data are the same: differences over pairs with their standard error,
a paired t-test and Wilcoxon's; on the same test faces McNemar's exact test, and an
interval over draws of the faces.
"""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from kerasfer.experiments.flags import parse
from kerasfer.experiments.runs import reported_errors


@dataclasses.dataclass(frozen=True)
class Config:
    folders: Annotated[
        tuple[pathlib.Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUNS")
    ]
    """Folders of runs, or above runs."""
    reference: str | None = None
    """Method that the others are held against; None is supervised, or the first."""
    page: pathlib.Path | None = pathlib.Path("comparison.html")
    """To write, with curves, confusion matrices and disagreements."""
    tables: pathlib.Path | None = None
    """Folder for paper_tables.tex (booktabs), .md and .csv: scores, F1 by class."""


def main():
    config = parse(Config)
    with reported_errors():
        from kerasfer.experiments.comparison.program import compare

        compare(config.folders, config.reference, config.page, config.tables)


if __name__ == "__main__":
    main()
