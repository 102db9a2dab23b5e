"""What is evaluated: an export, or the classifier of a finished run."""

import csv

import numpy as np

from kerasfer.deploy.export import Description
from kerasfer.deploy.export.running import RUNNERS
from kerasfer.deploy.predictor import Predictor
from kerasfer.deploy.safe_loading import check_model, damage_refused
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.run_reader import read_run


def load(path):
    """A `Predictor` of an export, or of a run's folder.

    The classifier of a run is taken as it is, without a temperature: that is fitted by
    an export.

    Raises:
        FileNotFoundError, UnsafeModelError: see `kerasfer.load`.
        ValueError: a run that is not finished.
    """
    return _RunPredictor(path) if RunFolder(path).config.exists() else Predictor(path)


class _RunPredictor(Predictor):
    def __init__(self, folder, batch_size=64):
        run = read_run(folder)
        self.form, self.batch_size = "keras", batch_size
        self.path = run.files.classifier
        check_model("keras", self.path)
        self.description = Description(
            run.task,
            run.names,
            np.load(run.files.samples)["images"].shape[1:],
            thresholds=tuple(run.result.get("thresholds", ())),
        )
        with damage_refused(self.path):
            self.running = RUNNERS["keras"](self.path, self.description)


def parts_of_run(path):
    """Hash of an image -> part of the run that it was in; {} for an export.

    A file of a run's training set that is evaluated on again tells nothing.
    """
    split = RunFolder(path).split
    if not split.exists():
        return {}
    with split.open(newline="", encoding="utf8") as file:
        return {row["sha256"]: row["part"] for row in csv.DictReader(file)}
