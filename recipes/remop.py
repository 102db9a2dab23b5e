r"""A scheme with and without ReMoP, on few labels of which some classes have fewer.

    python recipes/remop.py                                        (rendered faces)
    python recipes/remop.py --config recipes/short.yaml --base supervised fixmatch \
        --similarity distance --center-init labeled_mean               (in minutes)
    python recipes/remop.py --manifest RAFDB.csv \
        --protocol imbalanced:n1=500,gamma=150 --base supervised fixmatch ada_cm \
        --seeds 0 1 2 --image-size 224 --pad 0.036 --backbone resnet18 \
        --backbone-weights resnet18_msceleb.pth --normalization imagenet

Epochs, iterations, batch, learning rate and weights are the paper's for RAF-DB; for
FER+ it has `--epochs 80 --batch-size 32`. That is 100,000 steps: take short.yaml on a
CPU, and what fits it: the code's dot product needs the paper's length. Paper (ResNet-18
pretrained on faces, best test epoch, 3 seeds): FER+ with n1=1000, gamma=150, overall /
mean class: FixMatch 82.0 / 54.3, with ReMoP 83.0 / 57.1 %.

Expect on rendered faces, imbalanced, by short.yaml with `--similarity distance`: 52 %
mean class accuracy, FixMatch alone 51 (three seeds; docs/measured).

Rows of its Table 1: each base alone and with ReMoP; the feature classifier without the
regulariser by `--simplex-weight 0`. Figure 1b is in metrics.csv (`linear_pseudo_f1`,
...), Figure 3 in runs.csv (`linear_accuracy`, `feature_accuracy`), Figure 4 is
`--beta`.
"""

import dataclasses
from typing import Literal

from kerasfer.experiments.by_name import build_scheme
from kerasfer.experiments.data import Faces
from kerasfer.experiments.labeled_loss import LabeledLoss
from kerasfer.experiments.network import Network, build_classifier
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.training import Training, expression_options


@dataclasses.dataclass(frozen=True)
class Options:
    """Of `kerasfer.plug_ins.ReMoP`, which checks them."""

    convention: Literal["code", "paper"] = "code"
    """Of the flags that are None, where the paper and its code differ."""
    similarity: Literal["dot", "distance", "cosine"] | None = None
    """Of an embedding and a prototype: dot in the code, cosine in the paper;
    distance, dot less half the prototype's square, is for short runs."""
    mixture: Literal["logits", "probs"] | None = None
    """What is mixed: logits in the code, probabilities in the paper."""
    penalty: Literal["code", "paper"] | None = None
    """Form of the regulariser."""
    center: Literal["code", "paper"] | None = None
    """Form of the center loss."""
    beta: float = 0.5
    """Weight of the linear classifier in the mixture."""
    center_init: Literal["normal", "labeled_mean", "epoch_mean"] = "normal"
    """Prototypes start at random, or at class means after the first epoch; epoch_mean
    sets them so after each, for short runs and small rates."""


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(protocol="imbalanced:n1=500,gamma=150", batch_size=16)
    network: Network = Network(dropout=0.5)
    training: Training = Training(
        learning_rate=1e-4,
        schedule="constant",
        adam_epsilon=1e-8,
        epochs=100,
        steps_per_epoch=1000,
    )
    labeled_loss: LabeledLoss = LabeledLoss()
    base: tuple[Literal["supervised", "fixmatch", "ada_cm"], ...] = ("fixmatch",)
    """Schemes that ReMoP is added to."""
    beside: tuple[Literal["hog", "linear_probe"], ...] = ()
    """Floors without training, on the same split for comparison."""
    alone: bool = True
    """Whether each base is trained without ReMoP too."""
    remop: Options = Options()
    output: Output = Output()
    center_weight: float = 1e-4
    """lambda_1, of both center losses."""
    simplex_weight: float = 0.1
    """lambda_2, of the regulariser."""
    unlabeled_weight: float = 0.2
    """Of L_u of FixMatch, with and without ReMoP: 0.2 in the code, 1 in the paper."""
    threshold: float = 0.95
    """tau of FixMatch."""
    unit_embedding: bool = True
    """Whether Ada-CM's last layer works on embeddings of length 1, as its code."""


def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    model.fit(run.batches(), **run.fit_options())
    return model


def build_model(config, method, split):
    base, num_classes = method.removesuffix("+remop"), split.labeled.num_classes
    unit = config.unit_embedding and base == "ada_cm"
    shape = config.faces.image_shape
    classifier = build_classifier(
        config.network, shape, num_classes, unit_embedding=unit
    )
    weights = {}
    if base == "fixmatch":  # lambda_u is the same with and without
        weights["unlabeled"] = config.unlabeled_weight
    if method != base:
        weights["center"] = weights["unlabeled_center"] = config.center_weight
        weights["simplex"] = config.simplex_weight
    remop = {"num_classes": num_classes, "unlabeled_factor": 1.0, **vars(config.remop)}
    options = {"loss_weights": weights, **expression_options(config, split)}
    given = {"threshold": config.threshold}
    return build_scheme(method, classifier, given, remop, **options)


def methods(config):
    yield from config.beside
    for base in config.base:
        yield from [base] if config.alone else []
        yield f"{base}+remop"


def search_space(hp, config):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-5, 5e-3, sampling="log"),
        "beta": hp.Choice("beta", [0.1, 0.3, 0.5, 0.7, 0.9]),
        "center_weight": hp.Float("center_weight", 1e-5, 1e-2, sampling="log"),
        "simplex_weight": hp.Float("simplex_weight", 0.01, 1.0, sampling="log"),
        "unlabeled_weight": hp.Float("unlabeled_weight", 0.1, 2.0, sampling="log"),
        "threshold": hp.Choice("threshold", [0.7, 0.8, 0.9, 0.95]),
    }


RECIPE = Recipe(
    "remop",
    Config,
    methods,
    build_model,
    train,
    chooses=("beside", "base", "alone"),
    search_space=search_space,
)

if __name__ == "__main__":
    RECIPE.main()
