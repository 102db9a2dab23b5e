r"""The baselines of the papers' tables on the same few labels, in one table.

    python recipes/baselines.py --scheme mean_teacher                 (rendered faces)
    python recipes/baselines.py --config recipes/short.yaml \
        --scheme supervised pseudo_label mean_teacher mixmatch remixmatch uda fixmatch \
        flexmatch ada_cm progressive_teacher
    python recipes/baselines.py --config recipes/short.yaml \
        --protocol imbalanced:n1=500,gamma=50 \
        --scheme fixmatch fixmatch+abc fixmatch+adsh fixmatch+inpl fixmatch+remop cpe

Expect on rendered faces by short.yaml, 560 labels, a few minutes a run on two CPU
cores: supervised 67 %, FixMatch and MixMatch 72, UDA and FlexMatch 74 (three seeds;
studies/rendered.yaml).

A name is a scheme, or a scheme and plug-ins joined by "+"; `--plugin` adds plug-ins to
each scheme of `--scheme`. Epochs, iterations, batch and rate are those of Ada-CM's
comparison (16,000 steps), the schemes' settings those of the preset "fer"; `--preset
paper` takes each paper's own. Published numbers: docs/published.md.
"""

import dataclasses
from typing import Literal

import numpy as np

from kerasfer.experiments.by_name import (
    build_scheme,
    check_name,
    scheme_class,
    short_names,
)
from kerasfer.experiments.data import Faces
from kerasfer.experiments.flags import require_at_least
from kerasfer.experiments.labeled_loss import LabeledLoss
from kerasfer.experiments.network import Network, build_classifier
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.training import Training, expression_options


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
    output: Output = Output()
    scheme: tuple[str, ...] = ("fixmatch",)
    """Of supervised, pseudo_label, mean_teacher, mixmatch, remixmatch, uda, fixmatch,
    flexmatch, freematch, softmatch, ada_cm, cpe, rul, mek, progressive_teacher,
    defixmatch, ecan, face_mix; or your own, path/to/file.py:NAME; each may have
    "+plugin"."""
    beside: tuple[Literal["hog", "linear_probe"], ...] = ()
    """Floors without training, on the same split for comparison."""
    plugin: tuple[str, ...] = ()
    """Plug-ins to add to each scheme: remop, abc, adsh, inpl, or your own."""
    preset: Literal["fer", "paper"] = "fer"
    """Settings of schemes that have two: for few faces, or the paper's own."""

    threshold: float | None = None
    """tau, of schemes and plug-ins that have one; None is each one's own."""
    unlabeled_weight: float | None = None
    """lambda_u, of schemes that have one; None is each one's own."""
    momentum: float = 0.99
    """Of the states of FreeMatch, SoftMatch and ECAN; the papers' 0.999 is for 10,000
    steps and more."""
    tsa: Literal["linear", "exp", "log"] | None = None
    """Training signal annealing of UDA."""
    energy_cutoff: float | None = None
    """tau_e of InPL; None calibrates it on the labelled faces."""
    energy_margin: float = 0.0
    """tau of InPL's adaptive margin; 0.5 in the paper, off in its code."""
    center_init: Literal["normal", "labeled_mean", "epoch_mean"] = "epoch_mean"
    """Prototypes of ReMoP: drawn; class means after one epoch, or after each."""
    similarity: Literal["dot", "distance", "cosine"] = "distance"
    """Of an embedding and a prototype of ReMoP; dot is for 100,000 steps."""
    unit_embedding: bool = True
    """Whether Ada-CM's last layer works on embeddings of length 1, as its code."""
    measured_faces: int = 4096
    """Unlabelled faces on which Adsh measures its thresholds after each epoch."""

    def __post_init__(self):
        require_at_least(self, 1, "measured_faces")
        for name in self.schemes.values():
            check_name(name)

    @property
    def schemes(self):
        """Row of the table -> scheme and plug-ins."""
        return short_names("+".join([name, *self.plugin]) for name in self.scheme)


def methods(config):
    return [*config.beside, *config.schemes]


def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    measured = config.measured_faces if "adsh" in method else 0
    model.fit(run.batches(), **run.fit_options(measured_unlabeled=measured))
    return model


def build_model(config, method, split):
    name = config.schemes[method]
    num_classes, labels = split.labeled.num_classes, split.labeled.labels
    counts = np.bincount(labels, minlength=num_classes)
    unit = config.unit_embedding and method.startswith("ada_cm")
    shape = config.faces.image_shape
    classifier = build_classifier(
        config.network, shape, num_classes, unit_embedding=unit
    )
    options = expression_options(config, split)
    require_shuffled(config, name)
    weight = config.unlabeled_weight
    if weight is not None and "unlabeled" in scheme_class(name).loss_weights:
        options["loss_weights"] = {"unlabeled": weight}
    of_scheme = {
        "preset": config.preset,
        "threshold": config.threshold,
        "momentum": config.momentum,
        "tsa": config.tsa,
        "class_counts": counts,
        "num_unlabeled": len(split.unlabeled),
    }
    of_plug_ins = {
        "num_classes": num_classes,
        "class_counts": counts,
        "threshold": config.threshold,
        "cutoff": config.energy_cutoff,
        "margin": config.energy_margin,
        "center_init": config.center_init,
        "similarity": config.similarity,
        "unlabeled_factor": 1.0,  # lambda_u is the same with and without ReMoP
    }
    return build_scheme(name, classifier, of_scheme, of_plug_ins, **options)


def require_shuffled(config, name):
    """Raises a ValueError for schemes whose batches must be draws of the whole set."""
    if config.faces.sampler != "shuffled" and scheme_class(name).draws_of_the_set:
        raise ValueError(
            f"--sampler balanced: {name} compares the labelled faces of a batch with "
            "unlabelled ones, and corrects their shares of classes itself. Leave the "
            "sampler shuffled."
        )


def search_space(hp, config):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 5e-3, sampling="log"),
        "unlabeled_weight": hp.Float("unlabeled_weight", 0.1, 10.0, sampling="log"),
        "threshold": hp.Choice("threshold", [0.7, 0.8, 0.9, 0.95]),
    }


RECIPE = Recipe(
    "baselines",
    Config,
    methods,
    build_model,
    train,
    chooses=("beside", "scheme", "plugin"),
    search_space=search_space,
)

if __name__ == "__main__":
    RECIPE.main()
