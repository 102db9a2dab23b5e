r"""A paper's table: the published numbers, ours beside them, and what differs.

    python recipes/table.py remop_table3 --runs runs

`--runs` is the `--out` of `python recipes/study.py remop_table3`. Ours stand there
twice: by the best epoch on validation faces, and by the best on the test set where the
study has it, which is how most papers choose and is optimistic. The table is written as
paper_table.csv, .md and .tex beside the study's own.
"""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from kerasfer.experiments.flags import parse
from kerasfer.experiments.floors import of_runs
from kerasfer.experiments.runs import reported_errors
from kerasfer.experiments.study.file import read_study
from kerasfer.experiments.study.paper_table import paper_tables
from kerasfer.experiments.study.plan import study_folder, tabulated


@dataclasses.dataclass(frozen=True)
class Config:
    study: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name of a file in recipes/studies, or path of one."""
    runs: pathlib.Path = pathlib.Path("runs")
    """The `--out` of recipes/study.py."""


def main():
    config = parse(Config)
    with reported_errors():
        study = read_study(config.study)
        folder = study_folder(config.runs, study.name)
        if not folder.exists():
            raise ValueError(
                f"{folder} does not exist. Run `kerasfer study {config.study} "
                f"--out {config.runs}` first, or give its --out as --runs."
            )

        def write(entries, long):
            return paper_tables(folder, study, entries, of_runs(long))

        print(tabulated(config.runs, study.name, write))


if __name__ == "__main__":
    main()
