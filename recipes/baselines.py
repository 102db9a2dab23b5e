r"""The baselines of the papers' tables on the same few labels, in one table.

    python recipes/baselines.py --scheme mean_teacher                 (rendered faces)
    python recipes/baselines.py --config recipes/short.yaml \
        --scheme supervised pseudo_label mean_teacher mixmatch remixmatch uda fixmatch \
        flexmatch ada_cm progressive_teacher
    python recipes/baselines.py --config recipes/short.yaml \
        --protocol imbalanced:n1=500,gamma=50 \
        --scheme fixmatch fixmatch+abc fixmatch+adsh fixmatch+inpl fixmatch+remop cpe

A name is a scheme, or a scheme and plug-ins joined by "+"; `--plugin` adds plug-ins to
each scheme of `--scheme`. Epochs, iterations, batch and rate are those of Ada-CM's
comparison (16,000 steps), the schemes' settings those of the preset "fer"; `--preset
paper` takes each paper's own. Published numbers stand in the README.
"""

import dataclasses
from typing import Literal

import numpy as np

import kerasfer
from kerasfer.experiments.data import Faces
from kerasfer.experiments.flags import require_at_least, require_within
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.training import Training, build_classifier, frame_options

# Name -> class of kerasfer.schemes, by name: --help needs no TensorFlow.
SCHEMES = {
    "supervised": "Supervised",
    "pseudo_label": "PseudoLabel",
    "mean_teacher": "MeanTeacher",
    "mixmatch": "MixMatch",
    "remixmatch": "ReMixMatch",
    "uda": "UDA",
    "fixmatch": "FixMatch",
    "flexmatch": "FlexMatch",
    "freematch": "FreeMatch",
    "softmatch": "SoftMatch",
    "ada_cm": "AdaCM",
    "cpe": "CPE",
    "rul": "RUL",
    "mek": "MEK",
    "progressive_teacher": "ProgressiveTeacher",
}
PLUG_INS = {"remop": "ReMoP", "abc": "ABC", "adsh": "Adsh", "inpl": "InPL"}


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(batch_size=16)
    training: Training = Training(
        dropout=0.5,
        learning_rate=5e-4,
        schedule="constant",
        adam_epsilon=1e-8,
        epochs=20,
        steps_per_epoch=800,
    )
    scheme: tuple[str, ...] = ("fixmatch",)
    """Of supervised, pseudo_label, mean_teacher, mixmatch, remixmatch, uda, fixmatch,
    flexmatch, freematch, softmatch, ada_cm, cpe, rul, mek, progressive_teacher; each
    may have "+plugin"."""
    beside: tuple[Literal["hog", "linear_probe"], ...] = ()
    """Floors without training, on the same split for comparison."""
    plugin: tuple[Literal["remop", "abc", "adsh", "inpl"], ...] = ()
    """Plug-ins to add to each scheme."""
    preset: Literal["fer", "paper"] = "fer"
    """Settings of schemes that have two: for few faces, or the paper's own."""

    threshold: float | None = None
    """tau, of schemes and plug-ins that have one; None is each one's own."""
    unlabeled_weight: float | None = None
    """lambda_u, of schemes that have one; None is each one's own."""
    momentum: float = 0.99
    """Of the states of FreeMatch and SoftMatch; the papers' 0.999 is for 10,000 steps
    and more."""
    tsa: Literal["linear", "exp", "log"] | None = None
    """Training signal annealing of UDA."""
    energy_cutoff: float | None = None
    """tau_e of InPL; None calibrates it on the labelled faces."""
    energy_margin: float = 0.0
    """tau of InPL's adaptive margin; 0.5 in the paper, off in its code."""
    center_init: Literal["normal", "labeled_mean"] = "labeled_mean"
    """Where the prototypes of ReMoP start."""
    similarity: Literal["dot", "distance", "cosine"] = "distance"
    """Of an embedding and a prototype of ReMoP; dot is for 100,000 steps."""
    unit_embedding: bool = True
    """Whether Ada-CM's last layer works on embeddings of length 1, as its code."""
    measured_faces: int = 4096
    """Unlabelled faces on which Adsh measures its thresholds after each epoch."""

    def __post_init__(self):
        require_at_least(self, 1, "measured_faces")
        require_within(self, 0, 0.9999, "momentum")
        for name in self.scheme:
            scheme, *plug_ins = name.split("+")
            if scheme not in SCHEMES or not {*plug_ins} <= {*PLUG_INS}:
                raise ValueError(
                    f"--scheme: expected one of {', '.join(SCHEMES)}, with +"
                    f"{', +'.join(PLUG_INS)} if wanted. Received: {name}."
                )
            for plug_in in (*plug_ins, *self.plugin):
                kerasfer.training.check_fit(
                    getattr(kerasfer.schemes, SCHEMES[scheme]),
                    getattr(kerasfer.plug_ins, PLUG_INS[plug_in]),
                )
        for name in ("threshold", "unlabeled_weight"):
            if getattr(self, name) is not None:
                require_at_least(self, 0, name)


def methods(config):
    schemes = ["+".join([name, *config.plugin]) for name in config.scheme]
    return [*config.beside, *schemes]


def build_model(config, method, split):
    name, *plug_ins = method.split("+")
    counts = np.bincount(split.labeled.labels, minlength=split.labeled.num_classes)
    classifier = build_classifier(
        config.training,
        config.faces.image_shape,
        split.labeled.num_classes,
        unit_embedding=config.unit_embedding and name == "ada_cm",
    )
    options = frame_options(config.training)
    options["plug_ins"] = [plug_in(config, p, counts) for p in plug_ins]
    if config.unlabeled_weight is not None and name not in ("supervised", "rul", "mek"):
        options["loss_weights"] = {"unlabeled": config.unlabeled_weight}
    return scheme(config, name, classifier, counts, len(split.unlabeled), options)


def scheme(config, name, classifier, counts, num_unlabeled, options):
    preset = {"preset": config.preset}
    threshold = {} if config.threshold is None else {"threshold": config.threshold}
    counted = {"class_counts": counts}
    indexed = {"num_unlabeled": num_unlabeled}
    settings = {
        "pseudo_label": {**preset, **threshold},
        "mean_teacher": preset,
        "mixmatch": preset,
        "remixmatch": preset,
        "uda": {"tsa": config.tsa, **preset, **threshold},
        "fixmatch": threshold,
        "flexmatch": {**indexed, **threshold},
        "freematch": {"momentum": config.momentum},
        "softmatch": {"momentum": config.momentum},
        "cpe": {**counted, **threshold},
        "mek": counted,
    }.get(name, {})
    return getattr(kerasfer.schemes, SCHEMES[name])(classifier, **settings, **options)


def plug_in(config, name, counts):
    threshold = {} if config.threshold is None else {"threshold": config.threshold}
    if name == "abc":
        return kerasfer.plug_ins.ABC(counts, **threshold)
    if name == "adsh":
        return kerasfer.plug_ins.Adsh(counts, **threshold)
    if name == "inpl":
        cutoff = config.energy_cutoff
        return kerasfer.plug_ins.InPL(
            len(counts),
            "calibrated" if cutoff is None else cutoff,
            margin=config.energy_margin,
        )
    return kerasfer.plug_ins.ReMoP(
        len(counts),
        center_init=config.center_init,
        similarity=config.similarity,
        unlabeled_factor=1.0,  # lambda_u is the same with and without
    )


def data_options(config):
    measures = any("adsh" in method for method in methods(config))
    return {"measured_unlabeled": config.measured_faces if measures else 0}


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
    chooses=("beside", "scheme", "plugin"),
    data_options=data_options,
    search_space=search_space,
)

if __name__ == "__main__":
    RECIPE.main()
