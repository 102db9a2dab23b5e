r"""Margin-Mix beside supervised training and MixMatch on the same few labels.

    python recipes/margin_mix.py                          (rendered faces, no download)
    python recipes/margin_mix.py --manifest FACES.csv --protocol balanced:labels=560 \
        --seeds 0 1 2 --out runs

Defaults are for 48 pixels, two CPU cores and about 10 minutes; on rendered faces they
give 67, 77 and 75 % for supervised training, MixMatch and Margin-Mix (means of five
seeds; docs/measured/README.md). The paper's own tables are not public; its numbers on
RAF-DB as quoted by Ada-CM (WRN-28-2, best test epoch) are 45.8, 66.5 and 70.7 % with
400, 1000 and 4000 labels.
"""

import dataclasses
from typing import Literal

import kerasfer
from kerasfer.experiments.data import Faces
from kerasfer.experiments.labeled_loss import LabeledLoss
from kerasfer.experiments.network import Network, build_classifier
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.training import Training, expression_options


@dataclasses.dataclass(frozen=True)
class Options:
    """Of `kerasfer.schemes.MarginMix`, which checks them."""

    membership: Literal["softmax", "inverse"] = "softmax"
    """Distances to self-labels q: softmax(-D/tau_d), or inverse squares."""
    temperature: float = 0.1
    """tau_d of the softmax."""
    sharpening: float = 0.5
    """T of MixMatch's sharpening; 1 leaves q soft."""
    ramp: float = 0.8
    """Fraction of the run over which lambda_U rises from 0."""
    centroid_images: Literal["labeled", "all"] = "labeled"
    """Faces whose mean is a class centroid; all: unlabelled ones too, weighted by q."""
    centroid_momentum: float = 1.0
    """Of the centroids within an epoch; 1 moves them at its end only."""


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces()
    network: Network = Network()
    training: Training = Training()
    labeled_loss: LabeledLoss = LabeledLoss()
    beside: tuple[
        Literal["supervised", "mixmatch", "fixmatch", "hog", "linear_probe"], ...
    ] = ("supervised", "mixmatch")
    """Schemes, and floors without training, on the same split for comparison."""
    margin_mix: Options = Options()
    output: Output = Output()
    unlabeled_weight: float = 20.0
    """lambda_U of the squared error on unlabelled faces."""
    margin_weight: float = 0.1
    """lambda_M of the large margin."""
    mixup_alpha: float = 0.75
    """alpha of Beta(alpha, alpha), of MixMatch too."""
    threshold: float = 0.95
    """tau of FixMatch."""


def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    every = config.margin_mix.centroid_images == "all"
    model.fit(
        run.batches(mixup_alpha=config.mixup_alpha),
        **run.fit_options(measured_unlabeled=None if every else 0),
    )
    return model


def build_model(config, method, split):
    num_classes = split.labeled.num_classes
    schemes, options = kerasfer.schemes, expression_options(config, split)
    classifier = build_classifier(config.network, config.faces.image_shape, num_classes)
    if method == "supervised":
        return schemes.Supervised(classifier, **options)
    if method == "fixmatch":
        return schemes.FixMatch(classifier, threshold=config.threshold, **options)
    if method == "mixmatch":
        return schemes.MixMatch(classifier, **options)
    return schemes.MarginMix(
        classifier,
        **vars(config.margin_mix),
        loss_weights={
            "unlabeled": config.unlabeled_weight,
            "margin": config.margin_weight,
        },
        **options,
    )


def methods(config):
    return [*config.beside, "margin_mix"]


def search_space(hp, config):
    return {
        "learning_rate": hp.Float("learning_rate", 5e-4, 1e-2, sampling="log"),
        "unlabeled_weight": hp.Float("unlabeled_weight", 0.5, 75.0, sampling="log"),
        "margin_weight": hp.Float("margin_weight", 0.01, 2.0, sampling="log"),
        "temperature": hp.Float("temperature", 0.05, 1.0, sampling="log"),
        "mixup_alpha": hp.Choice("mixup_alpha", [0.1, 0.2, 0.4, 0.75]),
    }


RECIPE = Recipe(
    "margin_mix",
    Config,
    methods,
    build_model,
    train,
    chooses=("beside",),
    search_space=search_space,
)

if __name__ == "__main__":
    RECIPE.main()
