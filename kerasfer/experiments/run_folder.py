"""Every file of a run, named once."""

import dataclasses
import pathlib


def _file(name, what):
    return property(lambda folder: folder.path / name, doc=what)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Paths of what a run writes; whoever writes or reads one asks here.

    >>> RunFolder(pathlib.Path("runs/x/seed0/fixmatch")).metrics.name
    'metrics.csv'
    """

    path: pathlib.Path

    # --- what it is, written first
    config = _file("config.yaml", "All settings, `method` and `seed` among them.")
    env = _file("env.json", "Versions, machine, date, command.")
    own_parts = _file("own_parts", "Folder of the user's files that made the run.")
    split = _file("split.csv", "The faces of each part, with hashes of their files.")

    # --- while it trains
    checkpoints = _file("checkpoints", "Folder of whole epochs; gone at the end.")
    metrics = _file("metrics.csv", "A row an epoch.")
    pseudo_labels = _file("pseudo_labels.csv", "By epoch and class.")
    confidences = _file("confidences.csv", "Histograms of them, by epoch.")
    findings = _file("findings.csv", "Warnings of `Diagnosis`.")
    tensorboard = _file("tensorboard", "Folder of event files.")
    best_weights = _file("best.weights.h5", "Of the scheme, at its best epoch.")
    last_weights = _file("last.weights.h5", "Of the scheme, at its last epoch.")
    backbone = _file("backbone.weights.h5", "Of a pretraining, at its last epoch.")

    # --- at its end
    predictions_test = _file("predictions_test.csv", "Of the test set, read once.")
    predictions_validation = _file("predictions_validation.csv", "Of validation faces.")
    test_by_epoch = _file("test_by_epoch.csv", "Optimistic, where it is asked for.")
    centroid_shift = _file("centroid_shift.png", "The curve, where centroids are.")
    classifier = _file("classifier.keras", "That the test numbers are of.")
    samples = _file("samples.npz", "Faces on which an export is compared.")
    embedding = _file("embedding.csv", "Validation faces in the plane.")
    shown = _file("shown_faces.csv", "What the report says of the faces it shows.")
    shown_faces = _file("shown_faces", "Folder of these faces.")
    report = _file("report.html", "One page, self-contained.")

    # --- written last
    result = _file("result.json", "Of a finished run: scores, facts.")

    @property
    def is_finished(self):
        return self.result.exists()
