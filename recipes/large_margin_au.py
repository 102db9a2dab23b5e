r"""Action units from annotated faces and the pseudo-emotions of unlabelled ones.

    python recipes/large_margin_au.py                     (rendered faces, no download)
    python recipes/large_margin_au.py --manifest AUS.csv --unlabeled FACES.csv \
        --margin-loss center island large_margin --framework supervised ssl \
        --beside supervised one_per_au --seeds 0 1 2 --out runs

Racoviteanu et al., BMVC 2019, sections 3.3 and 4.4; the table has the form of its Table
2, a row a method, a column a unit ("ssl" is what it calls transfer). Without a manifest
faces are rendered: posed ones annotated, wild ones unlabelled and, others of them, to
test on. Intensities in [0, 1] are learned as they are; a unit is there from 0.5 on.

Defaults are for 48 pixels, two CPU cores and a few minutes a run; expect F1 over all
units of 66.8 % (large margin), 72.0 (island), supervised training 60.8 (three seeds,
rendered faces); `--config recipes/alexnet_paper.yaml` is the paper's setting (see
large_margin.py). Its row WSC (Zhao et al., CVPR 2018) is not here: it re-annotates web
images that already have inaccurate annotations, by a spectral embedding and rank-order
clustering, whose weights, cluster rule and annotations the paper at hand does not give.
"""

import dataclasses
import functools
from typing import Literal

import kerasfer
from kerasfer.experiments.data import Faces
from kerasfer.experiments.margin import Margin, config_for, scheme_options, search_space
from kerasfer.experiments.network import (
    Network,
    build_backbone,
    build_classifier,
    classifier_options,
    require_plain,
)
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.tasks import ActionUnits
from kerasfer.experiments.training import Training, frame_options


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(protocol="random:labels=500")
    network: Network = Network()
    training: Training = Training(monitor="val_f1")
    margin: Margin = Margin(final_weight=0.1)
    output: Output = Output()
    beside: tuple[Literal["supervised", "one_per_au"], ...] = ("supervised",)
    """On the same split for comparison; one_per_au: a network for each unit, the
    paper's upper bound, as many times slower."""
    loss: Literal["squared_error", "cross_entropy"] = "squared_error"
    """On annotated units; the paper's is the squared error."""
    table: Literal["emfacs", "facs", "du"] = "emfacs"
    """Which units make which emotion (kerasfer.action_units.PROTOTYPES)."""
    norm: Literal["sqrt", "count", "contrast", "standard"] = "sqrt"
    """Of the emotions' scores; count is the paper's, and rarely finds fear;
    standard is the most balanced (see kerasfer.action_units)."""
    lowest_score: float | None = None
    """Faces below it are left out of the margin; None leaves out none."""


def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    model.fit(run.batches(), **run.fit_options())
    return model


def build_model(config, method, split):
    names = split.labeled.au_names
    options = {
        **frame_options(config),
        "supervised_loss": supervised_loss(config),
        "loss_weights": {"supervised": config.margin.supervised_weight},
    }
    if method == "one_per_au":
        require_plain(config.network)
        classifier = kerasfer.build_separate_classifiers(
            functools.partial(build_backbone, config.network),
            config.faces.image_shape,
            len(names),
            **classifier_options(config.network),
        )
        return kerasfer.schemes.Supervised(classifier, **options)
    classifier = build_classifier(
        config.network, config.faces.image_shape, len(names), activation="sigmoid"
    )
    if method == "supervised":
        return kerasfer.schemes.Supervised(classifier, **options)
    if config.margin.self_threshold:
        raise ValueError(
            "--self-threshold is of expressions; a pseudo-emotion has --lowest-score. "
            f"Received: {config.margin.self_threshold}."
        )
    return kerasfer.schemes.PseudoEmotion(
        classifier,
        names,
        table=config.table,
        norm=config.norm,
        lowest_score=config.lowest_score,
        **scheme_options(config.margin, method),
        **options,
    )


def supervised_loss(config):
    if config.loss == "squared_error":
        return kerasfer.losses.action_unit_error
    return kerasfer.losses.action_unit_cross_entropy


def methods(config):
    return [*config.beside, *config.margin.methods]


RECIPE = Recipe(
    "large_margin_au",
    Config,
    methods,
    build_model,
    train,
    chooses=("beside", "margin_loss", "framework"),
    task=ActionUnits(),
    config_of=config_for,
    search_space=search_space,
)

if __name__ == "__main__":
    RECIPE.main()
