r"""Ada-CM beside supervised training and FixMatch on the same few labels.

    python recipes/ada_cm.py                                       (rendered faces)
    python recipes/ada_cm.py --config recipes/short.yaml           (in minutes)
    python recipes/ada_cm.py --manifest RAFDB.csv --protocol ada_cm:400 \
        --seeds 0 1 2 3 4 --image-size 224 --pad 0.036 --backbone resnet18 \
        --backbone-weights resnet18_msceleb.pth --normalization imagenet

Epochs, iterations, batch, learning rate and weights are the paper's: 16,000 steps.
Paper (ResNet-18 pretrained on faces, best test epoch, 5 seeds): RAF-DB with 100 / 400 /
2000 / 4000 labels 62.4 / 74.4 / 82.1 / 84.4 %.

Expect on rendered faces by short.yaml, a few minutes a run on two CPU cores: 67 %,
where supervised training has 67 and FixMatch 72 (three seeds; studies/rendered.yaml).
On real faces by pretrained.yaml: 57.5 against 53.1 (studies/ferplus.yaml).

Rows of its Table 1: the baseline and fixed thresholds by `--beside supervised fixmatch
--threshold 0.5` (0.8, 0.95); L_u alone by `--contrastive-weight 0`; L_c alone by
`--unlabeled-weight 0`. Its Figure 3: `--scale` (B) and `--growth` (gamma 1.5, 2, 3).
"""

import dataclasses
import math
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
    """Of `kerasfer.schemes.AdaCM`, which checks them."""

    convention: Literal["code", "paper"] = "code"
    """Of the three flags that are None, where the paper and its code differ."""
    floor: float | None = None
    """Lowest threshold T_c: 0.8 in the code, 0 in the paper."""
    unlabeled_mean: Literal["batch", "subset"] | None = None
    """L_u over the whole batch (code) or over subset I (paper)."""
    symmetric: bool | None = None
    """Whether both views are anchors of the contrast: True in the code."""
    scale: float = 0.97
    """B, where thresholds of a sure classifier tend."""
    growth: float = math.e
    """gamma, how fast thresholds grow with epochs."""
    initial: float = 0.8
    """T_0, the threshold of all classes in the first epoch."""
    temperature: float = 0.07
    """beta of the contrast (InfoNCE)."""
    contrastive_ramp: float = 0.0
    """Fraction of the run over which alpha_3 rises from 0; for runs from scratch."""


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(batch_size=16)
    network: Network = Network(dropout=0.5)
    training: Training = Training(
        learning_rate=5e-4,
        schedule="constant",
        adam_epsilon=1e-8,
        epochs=20,
        steps_per_epoch=800,
    )
    labeled_loss: LabeledLoss = LabeledLoss()
    beside: tuple[Literal["supervised", "fixmatch", "hog", "linear_probe"], ...] = (
        "supervised",
    )
    """Schemes, and floors without training, on the same split for comparison."""
    ada_cm: Options = Options()
    output: Output = Output()
    supervised_weight: float = 0.5
    """alpha_1, of the cross-entropy on labelled faces."""
    unlabeled_weight: float = 1.0
    """alpha_2, of the cross-entropy on subset I."""
    contrastive_weight: float = 0.1
    """alpha_3, of the contrast on subset II."""
    unit_embedding: bool = True
    """Whether Ada-CM's last layer works on embeddings of length 1, as its code."""
    threshold: float = 0.95
    """tau of FixMatch."""


def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    model.fit(run.batches(), **run.fit_options())
    return model


def build_model(config, method, split):
    schemes, options = kerasfer.schemes, expression_options(config, split)
    unit = config.unit_embedding and method == "ada_cm"
    shape = config.faces.image_shape
    classifier = build_classifier(
        config.network, shape, split.labeled.num_classes, unit_embedding=unit
    )
    if method == "supervised":
        return schemes.Supervised(classifier, **options)
    if method == "fixmatch":
        return schemes.FixMatch(classifier, threshold=config.threshold, **options)
    return schemes.AdaCM(
        classifier,
        **vars(config.ada_cm),
        loss_weights={
            "supervised": config.supervised_weight,
            "unlabeled": config.unlabeled_weight,
            "contrastive": config.contrastive_weight,
        },
        **options,
    )


def methods(config):
    return [*config.beside, "ada_cm"]


def search_space(hp, config):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 5e-3, sampling="log"),
        "unlabeled_weight": hp.Float("unlabeled_weight", 0.1, 5.0, sampling="log"),
        "contrastive_weight": hp.Float("contrastive_weight", 0.01, 1.0, sampling="log"),
        "scale": hp.Float("scale", 0.8, 0.99),
        "growth": hp.Choice("growth", [1.5, 2.0, math.e, 3.0]),
    }


RECIPE = Recipe(
    "ada_cm",
    Config,
    methods,
    build_model,
    train,
    chooses=("beside",),
    search_space=search_space,
)

if __name__ == "__main__":
    RECIPE.main()
