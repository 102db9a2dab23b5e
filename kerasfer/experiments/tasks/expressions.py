"""The task of the recipes on expressions: data, metrics, results."""

import functools

import kerasfer
from kerasfer.experiments import cross_data, data
from kerasfer.experiments.floors import with_largest_class
from kerasfer.experiments.plots import draw_confusion
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.table import by_method, heading, mean_and_deviation

_RARE = 3


class Expressions:
    """One class a face."""

    training_data = staticmethod(data.build_training_data)

    def build_split(self, faces, seed):
        if faces.manifest is None:
            return data.split(faces, _rendered(faces.rendered_faces), seed)
        manifest = kerasfer.data.read_manifest(faces.manifest)
        if not manifest.class_names:
            raise ValueError(
                f"{faces.manifest} has no expression labels. Expected a column `label` "
                "with at least one class."
            )
        return data.split(faces, manifest, seed)

    def metrics(self, manifest):
        import keras

        return [
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            kerasfer.metrics.MeanClassAccuracy(manifest.num_classes),
        ]

    def pseudo_classes(self, model, manifest):
        return manifest.class_names

    def scores(self, faces, model, split, tests=()):
        """Name -> score of the test set, and of other data sets to test on: those of
        the flags, and `tests`, name -> manifest."""
        predictions = _predictions(faces, model, split.test)
        return {
            **_scores(split.test, predictions),
            **_other_scores(faces, model, split, tests)[0],
        }

    def evaluate(self, folder, faces, model, split, tests=()):
        """Writes a row per test image; returns scores and class counts."""
        import numpy as np

        from kerasfer.metrics import ConfusionMatrix

        manifest = split.test
        predictions = _predictions(faces, model, manifest)
        path = RunFolder(folder).predictions_test
        _write_predictions(path, manifest, predictions["probs"])
        confusion = ConfusionMatrix(manifest.num_classes)
        confusion.update_state(manifest.labels, predictions["probs"])
        scores, facts = _other_scores(faces, model, split, tests)
        return {
            **_scores(manifest, predictions),
            **scores,
            **facts,
            "class_names": list(manifest.class_names),
            "confusion": np.asarray(confusion.result()).astype(int).tolist(),
        }

    def write_validation(self, path, faces, model, split):
        """A row per validation image, for the calibration of an export."""
        manifest = split.validation
        _write_predictions(
            path, manifest, _predictions(faces, model, manifest)["probs"]
        )

    def inspect(self, faces, model, manifest):
        """What the model makes of some faces."""
        images = data.build_evaluation_data(faces, manifest)
        return kerasfer.analysis.inspection.inspect(model, images, manifest.class_names)

    def kinds(self, manifest):
        """What each face is, for the colours of a figure."""
        return [
            manifest.class_names[k] if k >= 0 else "unknown" for k in manifest.labels
        ]

    def names_of(self, split):
        """Of the classifier's outputs."""
        return split.labeled.class_names

    def summarize(self, results):
        """One row per method: mean and deviation over runs, and the rarest classes; the
        first is the largest class's.

        The error of a rare class is that of its few test images, sqrt(p (1 - p) / n),
        with p the mean accuracy over seeds; more seeds do not make it smaller.
        """
        import numpy as np
        import pandas as pd

        rows = []
        for method, runs in by_method(with_largest_class(results)):
            row = heading(method, runs)
            for name, title in (
                ("accuracy", "accuracy %"),
                ("mean_class_accuracy", "mean class accuracy %"),
            ):
                row[title] = mean_and_deviation(runs[name])
            # Of all test images once, be it in one part or over folds.
            counts = np.sum([np.array(c) for c in runs["confusion"]], 0)
            sizes = counts.sum(1) // runs["seed"].nunique()
            rarest = [k for k in np.argsort(sizes, kind="stable") if sizes[k]][:_RARE]
            for k in rarest:
                p = counts[k, k] / counts[k].sum()
                error = 100 * np.sqrt(p * (1 - p) / sizes[k])
                title = f"{runs['class_names'].iloc[0][k]} % (n={sizes[k]})"
                row[title] = f"{100 * p:.1f} (se {error:.1f})"
            row["minutes a run"] = f"{runs['minutes'].mean():.1f}"
            rows.append(row)
        return pd.DataFrame(rows)

    def draw(self, folder, results):
        """A confusion matrix per method."""
        for method, _ in by_method(results):
            draw_confusion(
                folder / f"confusion_{method}.png",
                [result for result in results if result["method"] == method],
            )


def _predictions(faces, model, manifest):
    return data.predictions(model.infer, data.build_evaluation_data(faces, manifest))


def _scores(manifest, predictions):
    scores = {}
    for name, probs in predictions.items():  # with ReMoP three classifiers
        prefix = name.removesuffix("probs")
        for score, value in _accuracies(manifest, probs).items():
            scores[prefix + score] = value
    return scores


def _other_scores(faces, model, split, tests):
    names = split.labeled.class_names

    def predict(manifest):
        return _predictions(faces, model, manifest)["probs"]

    scores, facts = {}, {}
    for name, manifest in {**cross_data.read_tests(faces.test), **dict(tests)}.items():
        found, known = cross_data.evaluate_on(name, manifest, names, predict)
        scores |= found
        facts |= known
    return scores, facts


def _write_predictions(path, manifest, probs):
    import pandas as pd

    from kerasfer.safe_write import atomic_write

    names = manifest.class_names
    table = pd.DataFrame(probs, columns=[f"p_{name}" for name in names])
    table.insert(0, "predicted", [names[k] for k in probs.argmax(-1)])
    table.insert(0, "label", [names[k] for k in manifest.labels])
    table.insert(0, "path", manifest.names)
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.5f")


def _accuracies(manifest, probs):
    from kerasfer.deploy.calibration import expected_calibration_error
    from kerasfer.experiments.tasks.scoring import macro_f1
    from kerasfer.metrics import MeanClassAccuracy

    mean_class = MeanClassAccuracy(manifest.num_classes)
    mean_class.update_state(manifest.labels, probs)
    return {
        "accuracy": float((probs.argmax(-1) == manifest.labels).mean()),
        "mean_class_accuracy": float(mean_class.result()),
        "macro_f1": macro_f1(manifest.labels, probs),
        "calibration_error": expected_calibration_error(manifest.labels, probs),
    }


@functools.cache
def _rendered(count):
    # The same faces for every seed of a run, which draws who is labelled.
    print(f"Rendering {count} faces.")
    return kerasfer.data.synthetic.render_manifest(count, seed=0)
