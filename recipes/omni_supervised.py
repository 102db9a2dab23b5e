r"""Reliable faces out of a sea of unlabelled ones, and images distilled from them.

    python recipes/omni_supervised.py                     (rendered faces, no download)
    python recipes/omni_supervised.py --manifest FACES.csv --unlabeled SEA.csv \
        --protocol balanced:labels=1400 --test other=OTHER.csv --seeds 0 1 2 --out runs

Liu et al., "Omni-supervised Facial Expression Recognition via Distilled Data". A chain
of stages, each a file that is taken as it is while its inputs are the same:

    baseline/      trained on the labelled faces, the anchor
    primitive/     its classifier, and the centroids of the anchor's classes
    selected.csv   faces of the sea near one centroid and far from the others: VAS
    distilled/     an image a class that teaches what VAS does: DAS
    vas/, das/     trained on the anchor and VAS, on the anchor and DAS

`--only` names what to run, with what it needs; `--primitive`, `--selected` and
`--distilled` take files of your own. `--config recipes/omni_paper.yaml` has the paper's
training: flips only, SGD, 25 epochs, VGG-16 on 224 pixels. `--anchor RAFDB.csv` takes
the primitive learner, the selection and the distillation from another data set than the
one that is trained (its Tables 2 and 3). Expect numbers as in docs/measured
(das_rendered.csv): distilled images add nothing beyond their start. Without a manifest
posed faces are the anchor, wild ones the sea, and more wild ones the test "wild".
"""

import dataclasses
import functools
from typing import Literal

import kerasfer
from kerasfer.experiments.data import Faces
from kerasfer.experiments.network import Network, build_classifier, estimate_statistics
from kerasfer.experiments.omni.config import Omni, anchor_of, config_of, stages_of
from kerasfer.experiments.omni.distillation import make_distilled
from kerasfer.experiments.omni.primitive import make_primitive
from kerasfer.experiments.omni.selection import make_selection
from kerasfer.experiments.omni.task import OmniSupervised
from kerasfer.experiments.output import Output
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.runs import claimed
from kerasfer.experiments.training import Training, frame_options
from kerasfer.experiments.training_run import some_faces

ONLY = Literal["select", "distill", "baseline", "vas", "das", "das_anchor"]


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(protocol="balanced:labels=560")
    network: Network = Network()
    training: Training = Training(steps_per_epoch=0, epochs=25)
    omni: Omni = Omni()
    output: Output = Output()
    only: tuple[ONLY, ...] = ("baseline", "vas", "das")
    """What to make: rows of the table, or stages alone; das_anchor distils the anchor
    itself."""
    patterns: bool = False
    """Whether to check that distilled images carry class patterns (section 4.5)."""


def methods(config):
    rows = [*config.only] if config.omni.primitive else ["baseline", *config.only]
    return dict.fromkeys(rows)


def run_chain(recipe, config, method, seed, folder, read_test):
    """The stages that a row of the table depends on, and its training; `select` and
    `distill` are stages alone, without a result."""
    base = OmniSupervised(config.omni)
    if method == "baseline":
        return recipe.run_one(config, method, seed, folder, base, read_test)
    stages, anchor = stages_of(config, folder), anchor_of(config)
    own = config.omni.anchor is not None
    learner = stages / ("anchor" if own else "baseline")
    if not config.omni.primitive and not RunFolder(learner).is_finished:
        tested = read_test and not own
        recipe.run_one(anchor, "baseline", seed, learner, base, tested)
    with claimed(stages / "stages"):
        split = base.build_split(anchor.faces, seed)
        primitive = make_primitive(stages, config, split, learner, build_model)
        selected, known = make_selection(stages, config, split, primitive)
        print(", ".join(f"{name} {value:.6g}" for name, value in known.items()))
        given = {"primitive": primitive, "known": known}
        if method == "vas":
            given["labeled"] = selected
        elif method != "select":
            teacher = split.labeled if method == "das_anchor" else selected
            name = "distilled_anchor" if method == "das_anchor" else "distilled"
            images = make_distilled(
                stages, name, config, teacher, primitive, seed,
                lambda: started(config, method, split).classifier,
            )  # fmt: skip
            given["distilled"] = images
            if config.patterns and not config.omni.distilled:
                from kerasfer.experiments.omni.patterns import print_patterns

                print_patterns(images.parent, seed)
    if method in ("select", "distill"):
        return None
    task = OmniSupervised(config.omni, **given)
    return recipe.run_one(config, method, seed, folder, task, read_test)


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
    return kerasfer.schemes.Supervised(classifier, **frame_options(config))


def started(config, method, split):
    """The model as its training begins where that does not start from the primitive."""
    model = build_model(config, method, split)
    faces = functools.partial(some_faces, config.faces, split)
    estimate_statistics(config.network, model, faces)
    return model


def search_space(hp, config):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "keep_fraction": hp.Float("keep_fraction", 0.01, 0.5, sampling="log"),
        "distill_rate": hp.Float("distill_rate", 1e-3, 1e-1, sampling="log"),
    }


RECIPE = Recipe(
    "omni_supervised",
    Config,
    methods,
    build_model,
    train,
    chooses=("only", "patterns"),
    task=OmniSupervised(),
    config_of=config_of,
    search_space=search_space,
    chain=run_chain,
)

if __name__ == "__main__":
    RECIPE.main()
