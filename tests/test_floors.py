"""What needs no training: the largest class, gradients' histograms, a linear probe."""

import json

import numpy as np
import pandas as pd
import pytest
from support.recipe_runs import imported, parsed, run, write_noise

from kerasfer.experiments import floors

QUICK = ["--epochs", 1, "--steps-per-epoch", 2, "--batch-size", 4, "--image-size", 16]
QUICK += ["--protocol", "balanced:labels=12", "--no-report"]


def result(method, confusion, seed=0, **more):
    names = tuple("abc"[: len(confusion)])
    return {
        "method": method, "seed": seed, "fold": "", "class_names": names,
        "confusion": confusion, **more,
    }  # fmt: skip


def test_the_largest_class_by_hand():
    results = [
        result("one", [[1, 2], [0, 7]]),
        result("two", [[3, 0], [7, 0]]),
        result("one", [[0, 4], [4, 0]], seed=1),
    ]
    first, second, *rest = floors.with_largest_class(results)
    assert rest == results
    assert first["method"] == "largest class" and first["confusion"] == [[0, 3], [0, 7]]
    # 7 of 10 faces are of b: all of its faces right, none of a's.
    assert first["accuracy"] == 0.7 and first["mean_class_accuracy"] == 0.5
    assert (second["seed"], second["accuracy"]) == (1, 0.5)
    # A class without test faces is none to be right on.
    (only, _) = floors.with_largest_class(
        [result("x", [[2, 0, 0], [0] * 3, [1, 1, 0]])]
    )
    assert only["mean_class_accuracy"] == 0.5
    assert floors.with_largest_class([{"method": "x", "seed": 0, "f1": 0.5}]) == [
        {"method": "x", "seed": 0, "f1": 0.5}
    ]


def test_histograms_tell_directions():
    pytest.importorskip("skimage")
    rows = np.arange(96)[:, None] // 4 % 2 * 255
    stripes = np.broadcast_to(rows, (96, 96)).astype(np.uint8)
    images = np.stack([np.stack([s] * 3, -1) for s in (stripes, stripes.T)])
    features = floors.hog(images)
    assert features.shape == (2, 800) and features.dtype == np.float32
    by_direction = features.reshape(2, -1, 8).sum(1)
    # Gradients of rows are vertical, of columns horizontal: a quarter turn is 4 of 8.
    assert (by_direction.argmax(-1)[0] - by_direction.argmax(-1)[1]) % 8 == 4


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hog", "linear_probe"])
def test_beside_a_scheme(tmp_path, method):
    pytest.importorskip("skimage")
    manifest = write_noise(tmp_path)
    flags = ["--manifest", manifest, *QUICK, "--out", tmp_path / "runs"]
    flags += ["--beside", method, "--scheme", "supervised"]
    code, output = run(*flags, recipe="baselines")
    assert code == 0, output
    (folder,) = (tmp_path / "runs/baselines").iterdir()
    table = pd.read_csv(folder / "table.csv")
    assert [*table["method"]] == ["largest class", method, "supervised"]
    results = pd.read_csv(folder / "results.csv")
    assert {*results["method"]} == {method, "supervised"}  # the largest class: no run
    of_floor = json.loads((folder / f"seed0/{method}/result.json").read_text())
    assert of_floor["labels"] == 12 and of_floor["strength"] in floors._STRENGTHS
    split, other = (
        (folder / f"seed0/{name}/split.csv").read_text()
        for name in (method, "supervised")
    )
    assert split == other
    code, output = run(*flags, recipe="baselines")
    assert code == 0 and f"{method} is finished" in output


def test_scores_of_a_prediction():
    # 3 of 4 and 1 of 2 right: accuracy 4/6, mean of classes 5/8.
    predicted, truth = np.array([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1])
    assert floors._score("val_accuracy", predicted, truth) == pytest.approx(4 / 6)
    assert floors._score("val_mean_class_accuracy", predicted, truth) == 0.625


def test_an_svm_of_two_classes_has_a_column_each():
    faces, labels = np.array([[-2.0], [-1.0], [1.0], [2.0]]), [0, 0, 1, 1]
    scores = floors._scores(floors._svm(1.0).fit(faces, labels), faces)
    np.testing.assert_array_equal(scores.argmax(-1), labels)
    np.testing.assert_allclose(scores.sum(-1), 1.0)


def test_flags_of_each_recipe():
    for recipe in ("baselines", "ada_cm", "margin_mix", "large_margin", "remop"):
        module = imported(recipe)
        config = parsed(module, "--beside", "hog", "linear_probe")
        assert [*module.RECIPE.methods(config)][:2] == ["hog", "linear_probe"]
