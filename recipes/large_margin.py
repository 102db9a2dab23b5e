r"""Large margin, center or island loss on labelled and self-labelled faces.

    python recipes/large_margin.py                        (rendered faces, no download)
    python recipes/large_margin.py --manifest FACES.csv --protocol balanced:labels=560 \
        --margin-loss large_margin center island --framework supervised ssl \
        --seeds 0 1 2 --out runs

Racoviteanu et al., BMVC 2019, section 4.3. Defaults are for 48 pixels, two CPU cores
and a few minutes a run; expect 72.6 % on rendered faces, supervised training 66.6
(three seeds). `--config recipes/alexnet_paper.yaml` is the paper's setting: AlexNet
from scratch on 227 pixels, Adam, 150 epochs supervised and 350 semi-supervised. What
the paper calls "weight sparsity regularization, library defaults" is ambiguous:
TensorFlow has no default of it, Keras' own would be 0.01; there it is an L1 penalty of
1e-4, and `--weight-penalty none|l1|l2 --penalty-strength F` change it. The published
numbers: docs/published.md.
"""

import dataclasses
from typing import Literal

import kerasfer
from kerasfer.experiments.data import Faces
from kerasfer.experiments.labeled_loss import LabeledLoss
from kerasfer.experiments.margin import Margin, config_for, scheme_options, search_space
from kerasfer.experiments.network import Network, build_classifier
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.training import Training, expression_options


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces()
    network: Network = Network()
    training: Training = Training()
    labeled_loss: LabeledLoss = LabeledLoss()
    margin: Margin = Margin()
    output: Output = Output()
    beside: tuple[Literal["supervised", "hog", "linear_probe"], ...] = ("supervised",)
    """Schemes, and floors without training, on the same split for comparison."""


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
    options = expression_options(config, split)
    if method == "supervised":
        return kerasfer.schemes.Supervised(classifier, **options)
    return kerasfer.schemes.LargeMargin(
        classifier,
        loss_weights={"supervised": config.margin.supervised_weight},
        threshold=config.margin.self_threshold,
        **scheme_options(config.margin, method),
        **options,
    )


def methods(config):
    return [*config.beside, *config.margin.methods]


RECIPE = Recipe(
    "large_margin",
    Config,
    methods,
    build_model,
    train,
    chooses=("beside", "margin_loss", "framework"),
    config_of=config_for,
    search_space=search_space,
)

if __name__ == "__main__":
    RECIPE.main()
