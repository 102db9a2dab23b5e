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
one that is trained (its Tables 2 and 3). Without a manifest posed faces are the anchor,
wild ones the sea, and more wild ones the test "wild".
"""

import dataclasses
import functools
import types
from typing import Literal

import numpy as np

import kerasfer
from kerasfer.experiments import data
from kerasfer.experiments.data import Faces
from kerasfer.experiments.floors import LARGEST, with_largest_class
from kerasfer.experiments.omni.config import Omni, config_of
from kerasfer.experiments.omni.distillation import make_distilled
from kerasfer.experiments.omni.primitive import make_primitive
from kerasfer.experiments.omni.selection import make_selection
from kerasfer.experiments.omni.start import begin
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.runs import claimed
from kerasfer.experiments.table import by_method, heading, mean_and_deviation
from kerasfer.experiments.tasks import expressions
from kerasfer.experiments.train import some_faces
from kerasfer.experiments.training import (
    Training,
    build_classifier,
    estimate_statistics,
    frame_options,
)

ONLY = Literal["select", "distill", "baseline", "vas", "das", "das_anchor"]
_POSED_SHARE, _WILD_TEST_SHARE = 0.3, 0.2


@dataclasses.dataclass(frozen=True)
class Config:
    faces: Faces = Faces(protocol="balanced:labels=560")
    training: Training = Training(steps_per_epoch=0, epochs=25)
    omni: Omni = Omni()
    only: tuple[ONLY, ...] = ("baseline", "vas", "das")
    """What to make: rows of the table, or stages alone; das_anchor distils the anchor
    itself."""
    patterns: bool = False
    """Whether to check that distilled images carry class patterns (section 4.5)."""


def methods(config):
    rows = [*config.only] if config.omni.primitive else ["baseline", *config.only]
    return dict.fromkeys(rows)


def run_chain(recipe, config, method, seed, folder, read_test):
    """The stages that a row of the table hangs on, and its training; `select` and
    `distill` are stages alone, without a result."""
    base = task_of(config)
    if method == "baseline":
        return recipe.train(config, method, seed, folder, base, read_test)
    stages, anchor = stages_of(config, folder), anchor_of(config)
    own = config.omni.anchor is not None
    learner = stages / ("anchor" if own else "baseline")
    if not config.omni.primitive and not RunFolder(learner).is_finished:
        tested = read_test and not own
        recipe.train(anchor, "baseline", seed, learner, base, tested)
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
                print_patterns(images.parent, seed)
    if method in ("select", "distill"):
        return None
    task = task_of(config, **given)
    return recipe.train(config, method, seed, folder, task, read_test)


def stages_of(config, folder):
    """Of a run: beside it; of an anchor of its own one for all folds."""
    folded = kerasfer.data.is_folded(config.faces.protocol)
    return folder.parent.parent if config.omni.anchor and folded else folder.parent


def anchor_of(config):
    """The config whose labelled faces are the anchor."""
    if config.omni.anchor is None:
        return config
    faces = dataclasses.replace(
        config.faces, manifest=config.omni.anchor, protocol="all", split=None, test=()
    )
    return dataclasses.replace(config, faces=faces)


def task_of(config, labeled=None, distilled=None, primitive=None, known=None):
    """The expressions' task with other labelled faces, and tests on other data sets.

    Args:
        labeled: manifest of faces to add to the labelled ones (VAS).
        distilled: path of images to mix among them (DAS).
        primitive: folder of the primitive learner, to start from if asked to.
        known: what the selection tells, for the result.
    """

    images = distilled and kerasfer.omni.distillation.load_images(distilled)
    num_distilled = len(images[1]) if images else 0

    def build_split(faces, seed):
        split = base_split(faces, seed)
        if labeled is None:
            return split
        both = kerasfer.data.concatenate(split.labeled, in_classes_of(split, labeled))
        taken = np.isin(split.unlabeled.names, labeled.names)
        rest = split.unlabeled.subset(~taken)
        return dataclasses.replace(split, labeled=both, unlabeled=rest)

    def training_data(
        faces, split, model, seed, mixup_alpha, start_step=0, strategy=None
    ):
        if primitive is not None and start_step == 0:
            names = split.labeled.class_names
            begin(config.omni, model, primitive, distilled, names)

        def mixed(dataset, shard):
            count = len(split.labeled)
            return kerasfer.data.with_distilled(
                dataset,
                images[0],
                kerasfer.omni.distillation.labels_among(
                    images[1], images[2], split.labeled.class_names
                ),
                count,
                seed,
                start_step,
                shard,
                config.omni.distilled_share,
            )

        return data.build_training_data(
            faces, split, model, seed, mixup_alpha, start_step, strategy,
            then=mixed if images else None,
        )  # fmt: skip

    def scores(faces, model, split):
        return expressions.scores(faces, model, split, rendered_tests(faces))

    def evaluate(folder, faces, model, split):
        tests = rendered_tests(faces)
        result = expressions.evaluate(folder, faces, model, split, tests)
        count = len(split.labeled) + num_distilled
        return {**result, **(known or {}), "images": count}

    return types.SimpleNamespace(
        build_split=build_split,
        metrics=expressions.metrics,
        pseudo_classes=expressions.pseudo_classes,
        training_data=training_data,
        scores=scores,
        evaluate=evaluate,
        write_validation=expressions.write_validation,
        names_of=expressions.names_of,
        inspect=expressions.inspect,
        kinds=expressions.kinds,
    )


def in_classes_of(split, selected):
    """The selected faces with their labels as indices of the split's classes."""
    names = [selected.class_names[label] for label in selected.labels]
    unknown = sorted({*names} - {*split.labeled.class_names})
    if unknown:
        raise ValueError(
            f"Selected faces of {', '.join(unknown)}, no class of the labelled faces. "
            f"Expected classes among {', '.join(split.labeled.class_names)}."
        )
    index = {name: k for k, name in enumerate(split.labeled.class_names)}
    labels = np.array([index[name] for name in names], np.int32)
    return dataclasses.replace(
        selected, labels=labels, class_names=split.labeled.class_names
    )


def base_split(faces, seed):
    if faces.manifest is None:
        posed, wild, _ = rendered(faces.rendered_faces)
        return kerasfer.data.protocols.split(posed, faces.protocol, seed, wild)
    return expressions.build_split(faces, seed)


def rendered_tests(faces):
    """Wild faces, where faces are rendered."""
    return {} if faces.manifest else {"wild": rendered(faces.rendered_faces)[2]}


@functools.cache
def rendered(count):
    """Posed faces, a sea of wild ones, and wild ones to test on."""
    print(f"Rendering {count} faces, {_POSED_SHARE:.0%} of them posed.")
    num_posed = round(_POSED_SHARE * count)
    num_tested = round(_WILD_TEST_SHARE * (count - num_posed))
    render = kerasfer.data.synthetic.render_manifest
    posed = render(num_posed, seed=0, domain="posed")
    wild = render(count - num_posed, seed=1, test_share=0)
    names = np.array([f"wild_{name}" for name in wild.names])
    wild = dataclasses.replace(wild, names=names, parts=None)
    return posed, wild.subset(slice(num_tested, None)), wild.subset(slice(num_tested))


def build_model(config, method, split):
    classifier = build_classifier(
        config.training, config.faces.image_shape, split.labeled.num_classes
    )
    return kerasfer.schemes.Supervised(classifier, **frame_options(config.training))


def started(config, method, split):
    """The model as its training begins where that does not start from the primitive."""
    model = build_model(config, method, split)
    faces = functools.partial(some_faces, config.faces, split)
    estimate_statistics(config.training, model, faces)
    return model


def print_patterns(folder, seed):
    from kerasfer.experiments.omni.patterns import learnable

    found = learnable(folder, seed)
    print(
        f"Held-out distilled images recognised: {found['patterns_accuracy']:.0%}; the "
        f"same of images never distilled: {found['patterns_control']:.0%}. "
        f"{folder / 'patterns.png'}"
    )


def summarize(results):
    """The paper's Tables 1 and 8: accuracy, images, seconds an epoch; and purity."""
    import pandas as pd

    rows = []
    for method, runs in by_method(with_largest_class(results)):
        row = heading(method, runs)
        for name in runs:
            if name.endswith("accuracy") and not name.startswith("val_"):
                title = name.replace("_", " ") + " %"
                row[title] = mean_and_deviation(runs[name])
        if method != LARGEST:
            row["images"] = round(runs["images"].mean())
            row["seconds an epoch"] = f"{runs['seconds_per_epoch'].mean():.1f}"
        if "purity" in runs and runs["purity"].notna().all():
            row["selected rightly %"] = mean_and_deviation(runs["purity"])
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


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
    chooses=("only", "patterns"),
    task=types.SimpleNamespace(summarize=summarize, draw=expressions.draw),
    config_of=config_of,
    search_space=search_space,
    chain=run_chain,
)

if __name__ == "__main__":
    RECIPE.main()
