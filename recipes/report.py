r"""report.html of a run or of a study, made anew from what stands in its folder.

    python recipes/report.py runs/margin_mix/DATA_PROTOCOL/seed0/margin_mix
    python recipes/report.py runs/study/rendered
    python recipes/report.py RUN --no-with-faces --out to_share.html

A run and a study write theirs by themselves; this makes that of a run that was cut off,
one without faces, or one with other subgroups. It is one file that loads nothing.
"""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from kerasfer.experiments.flags import parse
from kerasfer.experiments.runs import reported_errors


@dataclasses.dataclass(frozen=True)
class Config:
    folder: Annotated[
        pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")
    ]
    """Of a run, or of a study's tables (`<out>/study/<name>`)."""
    out: pathlib.Path | None = None
    """The page; None is report.html in the folder."""
    with_faces: bool = True
    """Whether a run's page has faces of the data in it."""
    subgroups: tuple[str, ...] = ("gender", "sex", "race", "age")
    """Columns of the manifest, where it has them, to give accuracy by."""


def main():
    config = parse(Config)
    with reported_errors():
        from kerasfer.experiments.report.run import write_run_report
        from kerasfer.experiments.report.study import rewritten_study_report

        if (config.folder / "plan.json").exists():
            path = rewritten_study_report(config.folder, config.out)
        else:
            path = write_run_report(
                config.folder, config.with_faces, config.subgroups, config.out
            )
    print(f"Report: {path}")


if __name__ == "__main__":
    main()
