"""Methods that need no training, which a number must be above to mean something.

*largest class*: always the class that most test faces are of; in every table. *hog*:
histograms of oriented gradients and a linear SVM. *linear_probe*: logistic regression
on the embeddings of the backbone as its weights come, frozen. The last two see the
labelled faces of the split alone, and choose their C on its validation faces.
"""

import dataclasses
import functools
import json
import time

import numpy as np

import kerasfer
from kerasfer.experiments import cross_data, data
from kerasfer.experiments.devices import devices_of, refuse_workers
from kerasfer.experiments.later_tests import tested_later
from kerasfer.experiments.locking import opened
from kerasfer.experiments.network import build_classifier
from kerasfer.experiments.training import set_precision
from kerasfer.safe_write import atomic_write

LARGEST = "largest class"
TITLES = {"hog": "HOG + linear SVM", "linear_probe": "linear probe"}
FLOORS = tuple(TITLES)

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
_HOG_SIDE = 48


def with_largest_class(results):
    """Results of runs, behind those of the largest class, one per test set.

    Args:
        results: dicts as in result.json, with `seed` and `fold`, and maybe `setting`.
    """
    results = list(results)
    known = {}
    for result in results:
        if "confusion" in result:
            key = result.get("setting"), result["seed"], result.get("fold", "")
            known.setdefault(key, result)
    return [*map(_largest_class, known.values()), *results]


def of_runs(long):
    """A table of results (`analysis.statistics`), without the largest class."""
    return long[long["method"] != LARGEST]


def _largest_class(result):
    counts = np.array(result["confusion"]).sum(1)
    largest = int(counts.argmax())
    confusion = np.zeros((len(counts), len(counts)), int)
    confusion[:, largest] = counts
    kept = ("setting", "seed", "fold", "class_names")
    return {
        **{name: result[name] for name in kept if name in result},
        "method": LARGEST,
        "minutes": 0.0,
        "accuracy": float(counts[largest] / counts.sum()),
        "mean_class_accuracy": 1.0 / int((counts > 0).sum()),
        "confusion": confusion.tolist(),
    }


def run_floor(config, settings, folder, task, read_test):
    """One run of "hog" or "linear_probe"; arguments and result as of `train`."""
    refuse_workers(config.training, settings["method"])
    if not read_test:
        settings = {**settings, "test_part": "not read"}
    devices = devices_of(config.training)
    with opened(folder, settings, config.output.resume, devices) as run:
        if run.result is not None:
            print(f"{folder} is finished; its result is taken as it is.")
            if not read_test:
                return run.result
            trained = functools.partial(_refitted, config, settings, task)
            return tested_later(run, config.faces, trained)
        start = time.monotonic()
        split = task.build_split(config.faces, settings["seed"])
        data.check_parts(split, read_test)
        cross_data.check_tests(config.faces.test, split.labeled.class_names)
        kerasfer.data.save_split(split, run.files.split)
        fitted, facts = _fitted(config, settings, split)
        result = {
            "method": settings["method"],
            "seed": settings["seed"],
            "labels": len(split.labeled),
            **facts,
        }
        if read_test:
            result |= task.evaluate(run.folder, config.faces, fitted, split)
            if config.faces.test:
                result["tests"] = cross_data.digests(config.faces.test)
        result["minutes"] = round((time.monotonic() - start) / 60, 2)
        with atomic_write(run.files.result) as temporary:
            temporary.write_text(json.dumps(result, indent=2))
    return result


def _fitted(config, settings, split):
    if settings["method"] == "hog":
        features, build = hog, _svm
    else:
        features, build = _embedding(config, settings["seed"], split), _regression
    return _fit(config, split, features, build)


def _refitted(config, settings, task):
    """The floor of a finished run, fitted again: in seconds, to the same numbers."""
    split = task.build_split(config.faces, settings["seed"])
    return _fitted(config, settings, split)[0].infer


class _Fitted:
    """What a task evaluates as it does a scheme."""

    def __init__(self, features, model):
        self.features, self.model = features, model

    def infer(self, images):
        return {"probs": _scores(self.model, self.features(images))}


def _scores(model, features):
    """(images, classes); of an SVM a softmax of its decisions, which says no more than
    their order."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(features)
    from scipy.special import softmax

    decisions = model.decision_function(features)
    if decisions.ndim == 1:  # of two classes
        decisions = np.stack([-decisions, decisions], -1)
    return softmax(decisions, -1)


def _fit(config, split, features, build):
    """The model of the strength that validation faces like best."""
    score = config.training.monitor
    seen = functools.partial(_seen, config.faces, features)
    faces, labels = seen(split.labeled)
    held_out, truth = seen(split.validation)
    fitted = [build(strength).fit(faces, labels) for strength in _STRENGTHS]
    scores = [_score(score, _scores(m, held_out).argmax(-1), truth) for m in fitted]
    best = int(np.argmax(scores))
    facts = {"selected_on": score, score: scores[best], "strength": _STRENGTHS[best]}
    return _Fitted(features, fitted[best]), facts


def _seen(faces, features, part):
    batches = [
        (features(images), labels.numpy())
        for images, labels in data.build_evaluation_data(faces, part)
    ]
    return tuple(map(np.concatenate, zip(*batches, strict=True)))


def _score(name, predicted, truth):
    right = predicted == truth
    if name == "val_mean_class_accuracy":
        return float(np.mean([right[truth == k].mean() for k in np.unique(truth)]))
    return float(right.mean())


def hog(images):
    """Histograms of oriented gradients of faces in grey at 48 pixels.

    Args:
        images: uint8 (n, height, width, 3).

    Returns:
        float32 (n, 800): 8 directions, cells of 8 pixels, blocks of 2 by 2.
    """
    from kerasfer.vision.images import cv2

    try:
        from skimage.feature import hog as histograms
    except ImportError:
        raise ValueError(
            "hog needs scikit-image: pip install 'kerasfer[faces]'"
        ) from None
    rows = []
    for image in np.asarray(images, np.uint8):
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, (_HOG_SIDE, _HOG_SIDE), interpolation=cv2.INTER_AREA)
        rows.append(
            histograms(
                grey,
                orientations=8,
                pixels_per_cell=(8, 8),
                cells_per_block=(2, 2),
                feature_vector=True,
            )
        )
    return np.array(rows, np.float32)


def _embedding(config, seed, split):
    """Images -> embeddings of the network as a supervised run would begin."""
    import keras
    import tensorflow as tf

    set_precision(config.training)
    keras.utils.set_random_seed(seed)
    # Other heads are drawn at random: the probe is on the backbone.
    network = dataclasses.replace(config.network, head="pooled")
    classifier = build_classifier(
        network, config.faces.image_shape, split.labeled.num_classes
    )
    embed = tf.function(
        lambda images: classifier(images, training=False)["embedding"],
        reduce_retracing=True,
    )
    return lambda images: embed(images).numpy()


def _svm(strength):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    # Of more faces than features the primal problem, which takes seconds, not hours.
    svm = LinearSVC(C=strength, dual="auto", max_iter=20_000)
    return make_pipeline(StandardScaler(), svm)


def _regression(strength):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, max_iter=5_000)
    )
