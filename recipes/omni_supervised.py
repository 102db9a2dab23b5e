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
training: flips only, SGD, 25 epochs, VGG-16 on 224 pixels. Without a manifest posed
faces are the anchor, wild ones the sea, and more wild ones the test "wild".
"""

import dataclasses
import functools
import types
from typing import Literal

import numpy as np
from _shared import cross_data, expressions
from _shared import faces as data
from _shared.faces import Faces
from _shared.flags import parse
from _shared.folds import per_fold
from _shared.omni.config import Omni, config_of
from _shared.omni.distillation import make_distilled
from _shared.omni.primitive import load_classifier, make_primitive
from _shared.omni.selection import make_selection
from _shared.runs import reported_errors, slug
from _shared.table import by_method, heading, mean_and_deviation, report
from _shared.training import Training, build_classifier, frame_options, train

import kerasfer

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
    test: tuple[str, ...] = ()
    """Other data sets to test on, NAME=MANIFEST.csv; classes are mapped by name."""
    patterns: bool = False
    """Whether to check that distilled images carry class patterns (section 4.5)."""


def main():
    config = parse(Config)
    with reported_errors():
        folder = config.training.out / "omni_supervised" / slug(config.faces.name)
        results = []
        for seed in config.training.seeds:
            for fold, fold_config in per_fold(config):
                results += run_chain(fold_config, seed, folder / f"seed{seed}" / fold)
        if results:
            report(folder, results, task_of(config))


def run_chain(config, seed, folder):
    """The stages and trainings of one seed; a result a row of the table."""
    base = task_of(config)
    split = base.build_split(config.faces, seed)
    wanted = set(config.only)

    def trained(method, task):
        settings = config_of(config, method)
        return train(settings, method, seed, folder / method, build_model, task)

    results = [] if config.omni.primitive else [trained("baseline", base)]
    if wanted == {"baseline"}:
        return results
    primitive = make_primitive(folder, config, split, folder / "baseline", build_model)
    selected, known = make_selection(folder, config, split, primitive)
    print(", ".join(f"{name} {value:.6g}" for name, value in known.items()))
    if "vas" in wanted:
        task = task_of(config, labeled=selected, primitive=primitive)
        results.append({**trained("vas", task), **known})
    for method, manifest in (("das", selected), ("das_anchor", split.labeled)):
        if method in wanted or (method == "das" and "distill" in wanted):
            name = method.replace("das", "distilled")
            images = make_distilled(folder, name, config, manifest, primitive, seed)
            if config.patterns and not config.omni.distilled:
                print_patterns(images.parent, seed)
            if method in wanted:
                task = task_of(config, distilled=images, primitive=primitive)
                results.append({**trained(method, task), **known})
    return results


def task_of(config, labeled=None, distilled=None, primitive=None):
    """The expressions' task with other labelled faces, and tests on other data sets.

    Args:
        labeled: manifest of faces to add to the labelled ones (VAS).
        distilled: path of images to mix among them (DAS).
        primitive: folder of the primitive learner, to start from if asked to.
    """

    images = distilled and kerasfer.distillation.load_images(distilled)
    num_distilled = len(images[1]) if images else 0

    def build_split(faces, seed):
        split = base_split(faces, seed)
        if labeled is None:
            return split
        both = kerasfer.data.concatenate(split.labeled, labeled)
        taken = np.isin(split.unlabeled.names, labeled.names)
        rest = split.unlabeled.subset(~taken)
        return dataclasses.replace(split, labeled=both, unlabeled=rest)

    def training_data(faces, split, model, seed, mixup_alpha):
        if primitive is not None and config.omni.start == "primitive":
            start_from(model, primitive)
        dataset = data.build_training_data(faces, split, model, seed, mixup_alpha)
        if not images:
            return dataset
        count = len(split.labeled)
        return kerasfer.data.with_distilled(dataset, *images[:2], count, seed)

    def evaluate(folder, model, split, dataset_of):
        result = expressions.evaluate(folder, model, split, dataset_of)
        for name, manifest in other_tests(config).items():
            result |= cross_data.evaluate_on(
                name,
                manifest,
                split.labeled.class_names,
                lambda part: data.predictions(model, dataset_of(part))["probs"],
            )
        return {**result, "images": len(split.labeled) + num_distilled}

    return types.SimpleNamespace(
        build_split=build_split,
        metrics=expressions.metrics,
        pseudo_classes=expressions.pseudo_classes,
        training_data=training_data,
        evaluate=evaluate,
        summarize=summarize,
        draw=expressions.draw,
    )


def base_split(faces, seed):
    if faces.manifest is None:
        posed, wild, _ = rendered(faces.rendered_faces)
        return kerasfer.data.protocols.split(posed, faces.protocol, seed, wild)
    return expressions.build_split(faces, seed)


def other_tests(config):
    tests = cross_data.read_tests(config.test)
    if config.faces.manifest is None:
        tests["wild"] = rendered(config.faces.rendered_faces)[2]
    return tests


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


def start_from(model, primitive):
    """Takes over the primitive learner's weights, for both copies."""
    weights = load_classifier(primitive / "classifier.keras").get_weights()
    model.classifier.set_weights(weights)
    model.inference_classifier.set_weights(weights)


def print_patterns(folder, seed):
    from _shared.omni.patterns import learnable

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
    for method, runs in by_method(results):
        row = heading(method, runs)
        for name in runs:
            if name.endswith("accuracy") and not name.startswith("val_"):
                title = name.replace("_", " ") + " %"
                row[title] = mean_and_deviation(100 * runs[name])
        row["images"] = round(runs["images"].mean())
        row["seconds an epoch"] = f"{runs['seconds_per_epoch'].mean():.1f}"
        if "purity" in runs and runs["purity"].notna().all():
            row["selected rightly %"] = mean_and_deviation(100 * runs["purity"])
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


if __name__ == "__main__":
    main()
