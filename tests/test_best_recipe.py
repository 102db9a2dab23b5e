"""recipes/best.py: all labels, dlib's network, an export."""

import json

import pandas as pd
import pytest
from support.recipe_runs import run


@pytest.mark.slow
def test_from_a_manifest_to_an_export(tmp_path):
    pytest.importorskip("dlib")  # beside it the weights are installed, for the tests
    flags = ["--rendered-faces", 120, "--image-size", 48, "--batch-size", 8]
    flags += ["--epochs", 1, "--steps-per-epoch", 2, "--out", tmp_path / "runs"]
    code, output = run(*flags, recipe="best")
    assert code == 0, output
    (folder,) = (tmp_path / "runs/best").iterdir()
    assert [*pd.read_csv(folder / "table.csv")["method"]] == [
        "largest class",
        "supervised",
    ]
    run_folder = folder / "seed0/supervised"
    config = json.loads((run_folder / "result.json").read_text())
    # A tenth of the training set validates, all else is labelled.
    assert config["faces"]["unlabeled"] == 0
    assert (run_folder / "export/saved_model/saved_model.pb").exists()
    assert "CC0" in (run_folder / "export/MODEL_CARD.md").read_text()
    code, output = run(*flags, recipe="best")
    assert code == 0 and "is finished" in output and "Model: " in output
