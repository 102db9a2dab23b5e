"""The task of the recipes on action units: data, metrics, results."""

import dataclasses
import functools

import numpy as np

import kerasfer
from kerasfer.experiments import data
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.table import by_method, heading, mean_and_deviation

# Of rendered faces: posed ones to label, wild ones unlabelled and to test on.
_POSED_SHARE, _TEST_SHARE = 0.3, 0.2
_AVERAGES = {"f1_small": "mean F1 %, 7 units", "f1": "mean F1 %, all units"}
_THRESHOLDS = {"threshold 0.5": "", "thresholds fitted on validation": "fitted_"}


class ActionUnits:
    """Several units a face, each with an intensity in [0, 1]."""

    training_data = staticmethod(data.build_training_data)

    def build_split(self, faces, seed):
        """Faces with action units. Expressions, if known, only serve the audit of
        pseudo-emotions."""
        if faces.test:
            raise ValueError("--test: other data sets are for expressions only.")
        if faces.manifest is None:
            manifest = _rendered(faces.rendered_faces)
        else:
            manifest = kerasfer.data.read_manifest(faces.manifest)
            if not manifest.au_names:
                raise ValueError(
                    f"{faces.manifest} has no action units. Expected columns such as "
                    "AU1 and AU12 with intensities in [0, 1], empty where not "
                    "annotated."
                )
        emotions = kerasfer.action_units.emotions_of()
        manifest = kerasfer.data.for_action_units(manifest, emotions)
        return data.split(faces, manifest, seed)

    def metrics(self, manifest):
        return [kerasfer.metrics.PerAUF1(len(manifest.au_names), manifest.au_names)]

    def pseudo_classes(self, model, manifest):
        return getattr(model, "emotions", ())

    def scores(self, faces, model, split):
        """F1 scores of the test set by the threshold 0.5, and (`fitted_...`) by
        thresholds fitted on validation faces."""
        return _test(faces, model, split)[0]

    def evaluate(self, folder, faces, model, split):
        """Writes a row per test image; returns F1 scores and the fitted thresholds."""
        scores, probs, thresholds = _test(faces, model, split)
        path = RunFolder(folder).predictions_test
        _note_rare_units(RunFolder(folder).findings, split.validation)
        _write_predictions(path, split.test, probs, thresholds)
        return {**scores, "thresholds": [float(t) for t in thresholds]}

    def write_validation(self, path, faces, model, split):
        """A row per validation image, for the calibration of an export."""
        probs = _predict(faces, model, split.validation)
        thresholds = _fitted_thresholds(split.validation, probs)
        _write_predictions(path, split.validation, probs, thresholds)

    def inspect(self, faces, model, manifest):
        """What the model makes of some faces."""
        images = data.build_evaluation_data(faces, manifest)
        names = manifest.au_names
        return kerasfer.analysis.inspection.inspect(
            model, images, names, "action_units"
        )

    def kinds(self, manifest):
        """The emotion of each face, where it is known, for the colours of a figure."""
        emotions = (*kerasfer.action_units.emotions_of(), "unknown")
        return [emotions[k] for k in manifest.labels]

    def names_of(self, split):
        """Of the classifier's outputs."""
        return split.labeled.au_names

    def summarize(self, results):
        """The paper's Table 2: a row per method, a column per unit, two averages.

        F1 in percent, means over seeds, a unit present from probability 0.5 on; the
        averages ("small" is over AU1, 4, 5, 6, 12, 25 and 26) with deviations, and a
        second time with the threshold of each unit fitted on validation faces.
        """
        import pandas as pd

        rows = []
        for method, runs in by_method(results):
            row = heading(method, runs)
            for name in runs:
                if name.startswith("f1_AU"):
                    mean = 100 * runs[name].astype(float).mean()
                    # A unit that no test face has, and that is not predicted: no F1.
                    row[f"{name.removeprefix('f1_')}, F1 %"] = (
                        "-" if np.isnan(mean) else f"{mean:.1f}"
                    )
            for threshold, prefix in _THRESHOLDS.items():
                for name, title in _AVERAGES.items():
                    if name in runs:
                        values = runs[f"{prefix}{name}"]
                        row[f"{title}, {threshold}"] = mean_and_deviation(values)
            row["minutes a run"] = f"{runs['minutes'].mean():.1f}"
            rows.append(row)
        return pd.DataFrame(rows)

    def draw(self, folder, results):
        """No figure of its own: the table has a column per unit."""


def _write_predictions(path, manifest, probs, thresholds):
    import pandas as pd

    from kerasfer.safe_write import atomic_write

    columns = {"path": manifest.names}
    for m, name in enumerate(manifest.au_names):
        columns[name] = manifest.action_units[:, m]
        columns[f"p_{name}"] = probs[:, m]
        columns[f"decision_{name}"] = (probs[:, m] >= thresholds[m]).astype(int)
    with atomic_write(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False, float_format="%.5f")


def _predict(faces, model, part):
    dataset = data.build_evaluation_data(faces, part)
    return data.predictions(model.infer, dataset)["probs"]


def _fitted_thresholds(validation, probs):
    return kerasfer.metrics.fitted_thresholds(validation.action_units, probs)


def _note_rare_units(path, validation):
    """Warns, in a run's findings too, of thresholds that rest on a handful of faces."""
    rare = kerasfer.metrics.rarely_present(validation.action_units)
    if not rare:
        return
    listed = ", ".join(f"{validation.au_names[m]} {n}" for m, n in rare.items())
    says = (
        f"Of the {len(validation)} validation faces too few show or lack a unit: "
        f"{listed}. A threshold that was fitted on so few is an accident of theirs; "
        "look at F1 by the threshold 0.5, or label more validation faces."
    )
    kerasfer.callbacks.diagnosis.write_finding(
        path, "", "thresholds rest on few faces", says
    )
    print(f"warning: thresholds rest on few faces. {says}")


def _test(faces, model, split):
    """Scores, test probabilities and fitted thresholds."""
    of_validation = _predict(faces, model, split.validation)
    thresholds = _fitted_thresholds(split.validation, of_validation)
    names, truth = split.test.au_names, split.test.action_units
    probs = _predict(faces, model, split.test)
    fitted = _scores(names, truth, probs, thresholds)
    scores = {
        **_scores(names, truth, probs, 0.5),
        **{f"fitted_{name}": value for name, value in fitted.items()},
    }
    return scores, probs, thresholds


def _scores(names, truth, probs, threshold):
    metric = kerasfer.metrics.PerAUF1(len(names), names, threshold)
    metric.update_state(truth, probs)
    scores = {name: float(value) for name, value in metric.result().items()}
    return {name: None if np.isnan(v) else v for name, v in scores.items()}


@functools.cache
def _rendered(count):
    # The same faces for every seed of a run, which draws who is labelled.
    print(f"Rendering {count} faces, {_POSED_SHARE:.0%} of them posed.")
    num_posed = round(_POSED_SHARE * count)
    render = kerasfer.data.synthetic.render_manifest
    posed = render(num_posed, seed=0, domain="posed", test_share=0)
    wild = render(count - num_posed, seed=1, test_share=_TEST_SHARE)
    parts = np.where(wild.parts == "test", "test", "unlabeled")
    both = kerasfer.data.concatenate(_named(posed, "posed"), _named(wild, "wild"))
    return dataclasses.replace(both, parts=np.concatenate([posed.parts, parts]))


def _named(manifest, domain):
    names = np.array([f"{domain}_{name}" for name in manifest.names])
    return dataclasses.replace(manifest, names=names)
