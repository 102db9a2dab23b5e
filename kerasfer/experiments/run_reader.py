"""The folder of a finished run, read back."""

import dataclasses
import pathlib

import numpy as np

from kerasfer.experiments.facts import read_facts, read_settings
from kerasfer.experiments.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What stands in the folder of a finished run."""

    folder: pathlib.Path
    config: dict
    env: dict
    result: dict

    @property
    def files(self):
        return RunFolder(self.folder)

    @property
    def task(self):
        return "action_units" if "thresholds" in self.result else "expressions"

    @property
    def names(self):
        """Of the classifier's outputs."""
        return tuple(self.result["outputs"])

    def predictions(self, path):
        """Labels and probabilities of a CSV of predictions: as
        `kerasfer.deploy.calibration.fitted_temperature` takes them."""
        table = self.table(path)
        probs = table[[f"p_{n}" for n in self.names]].to_numpy(np.float32)
        if self.task == "action_units":
            return table[[*self.names]].to_numpy(np.float32), probs
        index = {n: k for k, n in enumerate(self.names)}
        return table["label"].map(index).to_numpy(np.int32), probs

    def table(self, path):
        import pandas as pd

        # A class may be called "1", or "None".
        text = {"path": str, "label": str, "predicted": str}
        return pd.read_csv(path, dtype=text, keep_default_na=False)


def read_run(folder):
    """The finished run in a folder.

    Raises:
        ValueError: there is none, or it was made by a version that kept no classifier.
    """
    files = RunFolder(folder)
    missing = [p.name for p in (files.config, files.result) if not p.exists()]
    if missing:
        inner = (
            sorted(p.parent for p in folder.rglob(files.result.name))
            if folder.exists()
            else []
        )
        hint = (
            f" Finished runs in it: {', '.join(map(str, inner[:5]))}." if inner else ""
        )
        raise ValueError(
            f"{folder} is not a finished run: it has no {' and no '.join(missing)}."
            f"{hint}"
        )
    kept = [files.classifier, files.samples]
    kept += [files.predictions_validation, files.predictions_test]
    if absent := [path.name for path in kept if not path.exists()]:
        raise ValueError(
            f"{folder} lacks {', '.join(absent)}: it was made by an earlier version. "
            "Train it again."
        )
    return FinishedRun(
        folder,
        read_settings(files.config),
        read_facts(files.env),
        read_facts(files.result),
    )
