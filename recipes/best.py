r"""The best expression model that your labels allow: all of them, then an export.

    pip install -r requirements-faces.txt
    python recipes/best.py --manifest FACES.csv --out runs
    python recipes/best.py --manifest FACES.csv --crop arcface --format saved_model onnx

Supervised training on every labelled face of the training set, from dlib's network,
with a tenth of them held out to choose the epoch. The test set, if the manifest has
one, is read once. The export, with its preprocessing and a model card, is in the run's
folder. Expect 80.1 % overall, 55.8 mean class with the 19,693 labels of a FER2013 cut
(FER+ labels, 8 epochs, 19 minutes on two CPU cores, one seed; docs/measured).

With few labels and many faces without, look at the schemes first
(`recipes/baselines.py`); this is what they should beat.
"""

import dataclasses
import pathlib
from typing import Literal

import kerasfer
from kerasfer.experiments.data import Faces
from kerasfer.experiments.flags import CropName, parse
from kerasfer.experiments.labeled_loss import LabeledLoss
from kerasfer.experiments.network import Network, build_classifier
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.runs import reported_errors, slug
from kerasfer.experiments.training import Training, expression_options


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(protocol="all", image_size=80)
    network: Network = Network(
        backbone="dlib_resnet",
        backbone_weights=pathlib.Path("dlib"),
        normalization="dlib",
    )
    training: Training = Training(
        learning_rate=2e-4,
        epochs=8,
        steps_per_epoch=0,
        ema_decay=0.99,
        ema_statistics=False,
        mixed_precision="bfloat16",
    )
    labeled_loss: LabeledLoss = LabeledLoss()
    output: Output = Output()
    beside: tuple[Literal["hog", "linear_probe"], ...] = ()
    """Floors without training, on the same split for comparison."""
    format: tuple[Literal["saved_model", "onnx", "litert", "keras"], ...] = (
        "saved_model",
    )
    """What to export; empty is nothing."""
    crop: CropName | None = None
    """How the faces were cut out; None takes crop.json beside the manifest, or rendered
    where faces were rendered."""


def methods(config):
    return [*config.beside, "supervised"]


def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    model.fit(run.batches(), **run.fit_options())
    return model


def build_model(config, method, split):
    classifier = build_classifier(
        config.network, config.faces.image_shape, split.labeled.num_classes
    )
    return kerasfer.schemes.Supervised(classifier, **expression_options(config, split))


def export(config, run):
    """The export of a finished run, beside what it kept; made once."""
    from kerasfer.experiments.exporting import export_run
    from kerasfer.recipes.export import Config as Export

    out = run / "export"
    if not out.exists():
        export_run(Export(run=run, out=out, format=config.format, crop=config.crop))
    print(f"Model: {out}  (read MODEL_CARD.md in it, and complete it)")


RECIPE = Recipe(
    "best", Config, methods, build_model, train, chooses=("beside", "format", "crop")
)


def main():
    config = parse(Config)
    RECIPE.main()
    with reported_errors():
        folder = config.output.out / RECIPE.name / slug(config.faces.name)
        for seed in config.output.seeds if config.format else ():
            export(config, folder / f"seed{seed}" / "supervised")


if __name__ == "__main__":
    main()
