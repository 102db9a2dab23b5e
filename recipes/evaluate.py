r"""A trained model on labelled faces: scores with intervals, by class, by subgroup.

    python recipes/evaluate.py exported faces/manifest.csv
    python recipes/evaluate.py runs/margin_mix/DATA/seed0/margin_mix other.csv --out OUT

MODEL is what `kerasfer export` wrote, or the folder of a finished run. DATA is a
manifest of faces that are cut out as its training faces were; classes and units are
matched by name, faces of other classes are left out, and counted. Faces that the run
has seen are named: a test set is read once.
"""

import dataclasses
import pathlib
from typing import Annotated, Literal

import tyro

from kerasfer.experiments.flags import parse
from kerasfer.experiments.runs import reported_errors


@dataclasses.dataclass(frozen=True)
class Config:
    model: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """An export, or the folder of a run."""
    data: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """Manifest (CSV) of labelled faces."""
    out: pathlib.Path | None = None
    """New folder for scores.csv, scores.json, by_class.csv, predictions.csv and
    report.html; None prints."""
    part: Literal["train", "unlabeled", "validation", "test"] | None = None
    """Of the manifest's column split; None is all faces."""
    subgroups: tuple[str, ...] = ("gender", "sex", "race", "age")
    """Columns of the manifest, where it has them, to give scores by."""


def main():
    config = parse(Config)
    with reported_errors():
        from kerasfer.experiments.evaluation.program import evaluate

        evaluate(config)


if __name__ == "__main__":
    main()
