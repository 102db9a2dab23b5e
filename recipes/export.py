r"""Exports the model that a finished run evaluated, with its preprocessing inside.

    python recipes/export.py RUN OUT
    python recipes/export.py RUN OUT --format saved_model onnx litert keras

RUN is the folder of one run (it has a result.json), such as
runs/margin_mix/rendered_balanced-labels=560/seed0/margin_mix. OUT gets the model, in
one or more formats, and MODEL_CARD.md. The weights are those of the test set's
numbers: averaged, of the best epoch, with what ReMoP or ABC put in the place of the
probabilities, and the thresholds of action units. A temperature is fitted on validation
faces. Each file is loaded again in a fresh process, without kerasfer, and compared with
the trained model on validation faces; where they differ nothing is kept.
"""

import dataclasses
import pathlib
from typing import Annotated, Literal

import tyro

from kerasfer.experiments.flags import CropName, parse
from kerasfer.experiments.runs import reported_errors

Format = Literal["saved_model", "onnx", "litert", "keras"]


@dataclasses.dataclass(frozen=True)
class Config:
    run: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a finished run."""
    out: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder to write, where nothing stands."""
    format: tuple[Format, ...] = ("saved_model",)
    """What to write: TensorFlow (also for TensorFlow Serving), ONNX, LiteRT, Keras."""
    calibrate: bool = True
    """Whether probabilities are calibrated by a temperature."""
    crop: CropName | None = None
    """How the training faces were cut out; None takes crop.json beside the manifest,
    or rendered where faces were rendered."""
    licence: tuple[str, ...] = ()
    """Notes on the data and weights: "RAF-DB: research only, on request"."""
    subgroups: tuple[str, ...] = ("gender", "sex", "race", "age")
    """Columns of the manifest, where it has them, to give metrics by."""


def main():
    config = parse(Config)
    with reported_errors():
        from kerasfer.experiments.exporting import export_run

        differences = export_run(config)
        for form, difference in differences.items():
            print(
                f"{form}: differs from the trained model by {difference:.1e} at most."
            )
        print(f"Folder: {config.out}  (read MODEL_CARD.md in it, and complete it)")


if __name__ == "__main__":
    main()
