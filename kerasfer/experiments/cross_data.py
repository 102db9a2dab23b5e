"""Evaluation on other data sets than the one trained on, classes mapped by name."""

import hashlib
import pathlib

import numpy as np

import kerasfer
from kerasfer.vision.expressions import expression

_SCORES = ("accuracy", "mean_class_accuracy")
_FACTS = ("images", "left_out", "classes")


def read_tests(tests):
    """`NAME=MANIFEST.csv`, ... as name -> manifest of its labelled images."""
    manifests = {}
    for name, path in paths_of(tests).items():
        manifest = kerasfer.data.read_manifest(pathlib.Path(path))
        if not manifest.class_names:
            raise ValueError(f"--test: {path} has no labels to test on.")
        manifests[name] = manifest.subset(manifest.labels >= 0)
    return manifests


def paths_of(tests):
    """`NAME=MANIFEST.csv`, ... as name -> path."""
    paths = {}
    for text in tests:
        name, has_path, path = text.partition("=")
        if not (name and has_path):
            raise ValueError(f"--test: expected NAME=MANIFEST.csv. Received: {text}.")
        paths[name] = path
    return paths


def digests(tests):
    """Name -> hash of the manifest's text, to know a corrected one."""
    return {
        name: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
        for name, path in paths_of(tests).items()
    }


def without(scores, name):
    """Scores and facts but those of one data set; they are `evaluate_on`'s."""
    own = {f"{name}_{key}" for key in (*_SCORES, *_FACTS)}
    return {key: value for key, value in scores.items() if key not in own}


def check_tests(tests, class_names):
    """Refuses, before any training, a `--test` set that could not be tested on.

    Raises:
        ValueError: its form, or fewer than two classes of the training.
        FileNotFoundError: the manifest, or the first image of it that is missing.
    """
    for name, manifest in read_tests(tests).items():
        shared = _shared_classes(name, manifest, class_names)
        if others := {k: n for k, n in manifest.counts().items() if k not in shared}:
            print(
                f"warning: --test {name}: {sum(others.values())} of {len(manifest)} "
                f"faces are left out, of classes that are not trained: "
                f"{', '.join(map(_named, others))}."
            )
        for row in range(len(manifest)):
            manifest.encoded(row)


def _named(word):
    name = expression(word)
    return word if name == word else f"{word} (rename it to {name}?)"


def _shared_classes(name, manifest, class_names):
    shared = [c for c in class_names if c in manifest.class_names]
    if len(shared) < 2:
        raise ValueError(
            f"--test {name}: fewer than two classes are those of the training, "
            f"{', '.join(class_names)}. Received: {', '.join(manifest.class_names)}."
        )
    return shared


def evaluate_on(name, manifest, class_names, predict):
    """Accuracies on the images of the classes that both sides have.

    The likeliest of those shared classes is the prediction; images of other classes are
    left out, and counted. `mean_class_accuracy` is over the shared classes that occur.

    Args:
        name: of the data set, for the result.
        manifest: labelled images.
        class_names: of the classifier, in its order.
        predict: manifest -> probabilities (n, classes).

    Returns:
        Scores, `<name>_accuracy` and `<name>_mean_class_accuracy`; and facts,
        `<name>_images`, `<name>_left_out` (how many), `<name>_classes`.

    Raises:
        ValueError: fewer than two classes are shared.
    """
    shared = _shared_classes(name, manifest, class_names)
    index = {c: k for k, c in enumerate(shared)}
    numbers = np.array([index.get(c, -1) for c in manifest.class_names])
    labels = numbers[manifest.labels]
    columns = [class_names.index(c) for c in shared]
    probs = predict(manifest.subset(labels >= 0))[:, columns]
    truth = labels[labels >= 0]
    metric = kerasfer.metrics.MeanClassAccuracy(len(shared))
    metric.update_state(truth, probs)
    scores = {
        f"{name}_accuracy": float((probs.argmax(-1) == truth).mean()),
        f"{name}_mean_class_accuracy": float(metric.result()),
    }
    return scores, {
        f"{name}_images": len(truth),
        f"{name}_left_out": int((labels < 0).sum()),
        f"{name}_classes": " ".join(shared),
    }
