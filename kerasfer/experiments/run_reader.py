"""The folder of a finished run, read back."""

import dataclasses
import json
import pathlib

import numpy as np
import yaml

from kerasfer.experiments.artifacts import CLASSIFIER, SAMPLES, VALIDATION
from kerasfer.experiments.runs import RESULT

TEST = "predictions_test.csv"


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What stands in the folder of a finished run."""

    folder: pathlib.Path
    config: dict
    env: dict
    result: dict

    @property
    def task(self):
        return "action_units" if "thresholds" in self.result else "expressions"

    @property
    def names(self):
        """Of the classifier's outputs."""
        return tuple(self.result["outputs"])

    def predictions(self, name):
        """Labels and probabilities of a CSV in the folder: as
        `kerasfer.deploy.calibration.fitted_temperature` takes them."""
        table = self.table(name)
        probs = table[[f"p_{n}" for n in self.names]].to_numpy(np.float32)
        if self.task == "action_units":
            return table[[*self.names]].to_numpy(np.float32), probs
        index = {n: k for k, n in enumerate(self.names)}
        return table["label"].map(index).to_numpy(np.int32), probs

    def table(self, name):
        import pandas as pd

        # A class may be called "1", or "None".
        text = {"path": str, "label": str, "predicted": str}
        return pd.read_csv(self.folder / name, dtype=text, keep_default_na=False)


def read_run(folder):
    """The finished run in a folder.

    Raises:
        ValueError: there is none, or it was made by a version that kept no classifier.
    """
    missing = [n for n in ("config.yaml", RESULT) if not (folder / n).exists()]
    if missing:
        inner = (
            sorted(p.parent for p in folder.rglob(RESULT)) if folder.exists() else []
        )
        hint = (
            f" Finished runs in it: {', '.join(map(str, inner[:5]))}." if inner else ""
        )
        raise ValueError(
            f"{folder} is not a finished run: it has no {' and no '.join(missing)}."
            f"{hint}"
        )
    kept = (CLASSIFIER, SAMPLES, VALIDATION, TEST)
    if absent := [name for name in kept if not (folder / name).exists()]:
        raise ValueError(
            f"{folder} lacks {', '.join(absent)}: it was made by an earlier version. "
            "Train it again."
        )
    return FinishedRun(
        folder,
        yaml.safe_load((folder / "config.yaml").read_text()),
        json.loads((folder / "env.json").read_text()),
        json.loads((folder / RESULT).read_text()),
    )


def read_json(path):
    """What a file holds, {} where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}
