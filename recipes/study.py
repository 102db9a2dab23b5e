r"""A study: methods x settings x seeds of a YAML file, its results and tables.

    python recipes/study.py rendered --jobs 2          (no download; the README's)
    python recipes/study.py remop_table3 --data rafdb=RAFDB.csv msceleb=weights.pth
    python recipes/study.py remop_table3 --toy         (rendered faces, minutes)
    python recipes/study.py my_study.yaml --seeds 0 1 2 -- --epochs 5

A study is a file of `recipes/studies/`, by its name, or one of your own (its form:
`kerasfer/experiments/study/file.py`). What follows `--` are flags for every run, which
win over the file's. Each run is a process of its own in a folder below `--out`
that its settings name: finished ones are taken as they are, also by other studies,
failed ones reported and tried again by the same command, and several such commands may
work on one `--out` at a time.

`<out>/study/<name>/` has results.csv (a row a number), tables.md and tables.tex (mean,
deviation, standard error, by each rule that picks the epoch, paired differences),
summary.csv, paired.csv, report.html and what each run printed. `recipes/table.py` sets
a table beside its paper's.
"""

import dataclasses
import pathlib
import sys
from typing import Annotated

import tyro

from kerasfer.experiments.flags import parse, require_at_least
from kerasfer.experiments.report.study import write_study_report
from kerasfer.experiments.runs import reported_errors
from kerasfer.experiments.study.asked import as_flags, chosen, data_of
from kerasfer.experiments.study.file import read_study
from kerasfer.experiments.study.jobs import last_line
from kerasfer.experiments.study.missing import run_missing
from kerasfer.experiments.study.plan import add_to_plan, study_folder, tabulated
from kerasfer.experiments.study.tables import write_tables
from kerasfer.experiments.study.toy import toy_flags


@dataclasses.dataclass(frozen=True)
class Config:
    study: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name of a file in recipes/studies, or path of one."""
    data: tuple[str, ...] = ()
    """NAME=PATH of the manifests and weights that the study asks for; weights may be
    NAME=none."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder of runs and tables."""
    seeds: tuple[int, ...] | None = None
    """Instead of the file's."""
    settings: tuple[str, ...] = ()
    """Only these, by name."""
    methods: tuple[str, ...] = ()
    """Only these, by name."""
    jobs: int = 1
    """Runs at a time."""
    toy: bool = False
    """Rendered faces, a tiny network, two steps, one seed: whether all of it runs."""

    def __post_init__(self):
        require_at_least(self, 1, "jobs")


def main():
    config, flags = _arguments()
    study = read_study(config.study)
    settings = chosen(config.settings, study.settings, "--settings")
    methods = chosen(config.methods, study.methods, "--methods")
    with reported_errors():
        data = data_of(config, study, settings)
        overrides = {**(toy_flags(study) if config.toy else {}), **flags}
        cells = study.cells(data, overrides, settings, methods)
        seeds = config.seeds or ((0,) if config.toy else study.seeds)
        runs = add_to_plan(config.out, study, cells, seeds)
        failed = run_missing(config, study.name, runs)
        folder = study_folder(config.out, study.name)

        def write(entries, long):
            write_study_report(folder, study, entries, long, config.out)
            return write_tables(folder, study, entries, long)

        print(f"\n{tabulated(config.out, study.name, write)}\nFolder: {folder}")
    if failed:
        raise SystemExit(
            f"error: {len(failed)} runs failed; the same command tries them again:\n"
            + "\n".join(f"  {run[0]}: {last_line(log)} ({log})" for run, log in failed)
        )


def _arguments():
    """The config, and the flags after `--`, as a dict."""
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    return parse(Config, words[:at]), as_flags(words[at + 1 :])


if __name__ == "__main__":
    main()
