"""Scores of a model on labelled faces, and the program that computes them."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from support.recipe_runs import TINY, run, write_noise

from kerasfer.experiments.evaluation import scores
from kerasfer.vision.images import cv2

NAMES = ("anger", "fear", "neutral", "sadness")


def answers(count=300, seed=0, classes=4):
    """Labels without the last class; probabilities that are right half of the time."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes - 1, count)
    said = np.where(rng.random(count) < 0.5, labels, rng.integers(0, classes, count))
    probs = rng.random((count, classes)) + 2 * np.eye(classes)[said]
    return labels, probs / probs.sum(-1, keepdims=True)


def value(table, name):
    return table.set_index("score").loc[name, "value"]


def test_scores_are_those_of_scikit_learn():
    labels, probs = answers()
    said = probs.argmax(-1)
    table, by_class, confusion = scores.of_expressions(labels, probs, NAMES)
    np.testing.assert_array_equal(
        confusion, metrics.confusion_matrix(labels, said, labels=range(4))
    )
    found = metrics.precision_recall_fscore_support(
        labels, said, labels=range(4), zero_division=0
    )
    for name, expected in zip(
        ("precision", "recall", "F1", "faces"), found, strict=True
    ):
        np.testing.assert_allclose(by_class[name].fillna(0), expected, atol=1e-12)
    assert np.isnan(by_class["recall"].iloc[3])  # no face is of it
    assert value(table, "accuracy") == pytest.approx((labels == said).mean())
    balanced = metrics.balanced_accuracy_score(labels, said)
    assert value(table, "mean class accuracy") == pytest.approx(balanced)
    macro = metrics.f1_score(labels, said, labels=range(3), average="macro")
    assert value(table, "macro F1") == pytest.approx(macro)


def test_an_interval_is_as_wide_as_that_of_a_share():
    labels, probs = answers(2000)
    table, by_class, _ = scores.of_expressions(labels, probs, NAMES)
    row = table.set_index("score").loc["accuracy"]
    error = np.sqrt(row["value"] * (1 - row["value"]) / 2000)
    # 1,000 draws: the ends of the interval have an error of about 0.1 standard errors.
    assert row["value"] - row["low"] == pytest.approx(1.96 * error, rel=0.15)
    assert row["high"] - row["value"] == pytest.approx(1.96 * error, rel=0.15)
    assert (by_class["F1 low"] <= by_class["F1"])[:3].all()
    assert (by_class["F1"] <= by_class["F1 high"])[:3].all()


def test_a_perfect_model_and_a_single_face():
    table, by_class, _ = scores.of_expressions(np.arange(4), np.eye(4), NAMES)
    assert (table["value"][:4] == 1).all() and (by_class["F1"] == 1).all()
    table, *_ = scores.of_expressions(np.array([1]), np.eye(4)[[0]], NAMES)
    row = table.set_index("score").loc["accuracy"]
    assert (row["value"], row["low"], row["high"]) == (0, 0, 0)


def test_scores_of_action_units():
    rng = np.random.default_rng(0)
    truth = np.round(rng.random((200, 3)), 1)
    truth[:, 1] = truth[:, 1] > 0.5  # present or not
    truth[rng.random((200, 3)) < 0.2] = -1
    truth[:, 2] = 0  # never present
    probs = np.clip(truth + rng.normal(0, 0.3, truth.shape), 0, 1)
    table, by_unit = scores.of_action_units(truth, probs, probs >= 0.4, ("A", "B", "C"))
    f1 = []
    for m in range(2):
        known = truth[:, m] >= 0
        present, score = truth[known, m] >= 0.5, probs[known, m]
        f1.append(metrics.f1_score(present, score >= 0.4))
        row = by_unit.iloc[m]
        assert row["F1"] == pytest.approx(f1[-1]) and row["faces"] == known.sum()
        assert row["AUC"] == pytest.approx(metrics.roc_auc_score(present, score))
        assert row["F1 low"] <= row["F1"] <= row["F1 high"]
    assert by_unit["ICC(3,1)"].notna().tolist() == [True, False, False]
    assert np.isnan(by_unit["AUC"].iloc[2])
    # Unit C is never present; decided for somewhere, its F1 is 0, else not defined.
    f1.append(0.0 if (probs[:, 2] >= 0.4).any() else np.nan)
    assert value(table, "mean F1") == pytest.approx(np.nanmean(f1))


def test_consistency_is_that_of_an_analysis_of_variance():
    # The first two judges of Shrout and Fleiss (1979), Table 2.
    first, second = np.array([9, 6, 8, 7, 10, 6.0]), np.array([2, 1, 4, 1, 5, 2.0])
    ratings = np.stack([first, second], 1)
    grand, faces, judges = ratings.mean(), ratings.mean(1), ratings.mean(0)
    between = 2 * sum((mean - grand) ** 2 for mean in faces) / 5
    residual = 0.0
    for i in range(6):
        for j in range(2):
            residual += (ratings[i, j] - faces[i] - judges[j] + grand) ** 2
    residual /= 5
    expected = (between - residual) / (between + residual)
    assert scores.consistency(first, second) == pytest.approx(expected)
    assert scores.consistency(first, first + 3) == pytest.approx(1)
    assert scores.consistency(first, -first) == pytest.approx(-1)
    assert np.isnan(scores.consistency([1.0], [2.0]))
    assert np.isnan(scores.consistency([1.0, 1.0], [1.0, 1.0]))


# --- the program ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    manifest = write_noise(folder)
    code, output = run(
        "--manifest", manifest, "--protocol", "balanced:labels=12", "--image-size", 16,
        "--epochs", 1, "--steps-per-epoch", 2, "--seeds", 0, "--scheme", "supervised",
        "--no-report", "--out", folder / "runs", *TINY, recipe="baselines",
    )  # fmt: skip
    assert code == 0, output
    (result,) = folder.rglob("result.json")
    return manifest, result.parent


def test_a_run_on_its_own_test_set(trained, tmp_path):
    manifest, folder = trained
    split = pd.read_csv(folder / "split.csv")
    table = pd.read_csv(manifest)
    table["gender"] = np.where(table.index % 2, "male", "female")
    test = table[table["path"].isin(split[split["part"] == "test"]["path"])]
    only_test = manifest.with_name("test.csv")
    test.to_csv(only_test, index=False)
    code, output = run(folder, only_test, "--out", tmp_path / "out", recipe="evaluate")
    assert code == 0, output
    assert f"had {len(test)} in its test set" in output and "By gender" in output
    facts = json.loads((tmp_path / "out/scores.json").read_text())
    result = json.loads((folder / "result.json").read_text())
    assert facts["scores"]["accuracy"] == pytest.approx(result["accuracy"])
    mean_class = facts["scores"]["mean class accuracy"]
    assert mean_class == pytest.approx(result["mean_class_accuracy"])
    assert facts["seen"] == {"test": len(test)} and facts["faces"] == len(test)
    rows = pd.read_csv(tmp_path / "out/predictions.csv").set_index("path")
    before = pd.read_csv(folder / "predictions_test.csv").set_index("path")
    assert (rows.loc[before.index, "predicted"] == before["predicted"]).all()
    page = (tmp_path / "out/report.html").read_text()
    assert "Faces that the model has seen" in page and "<svg" in page
    code, output = run(folder, only_test, "--out", tmp_path / "out", recipe="evaluate")
    assert code == 1 and "exists" in output  # nothing is overwritten


def test_an_export_on_other_faces(trained, tmp_path):
    _, folder = trained
    exported = tmp_path / "exported"
    code, output = run(folder, exported, "--format", "keras", recipe="export")
    assert code == 0, output
    pixels = np.random.default_rng(5)
    rows = []
    for k, label in enumerate(["anger", "fear", "contempt", "", "anger", "neutral"]):
        path = tmp_path / f"other{k}.png"
        cv2.imwrite(str(path), pixels.integers(0, 256, (20, 18, 3), np.uint8))
        rows.append((path.name, label, "test" if k else "train"))
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    table.to_csv(tmp_path / "other.csv", index=False)
    code, output = run(exported, tmp_path / "other.csv", recipe="evaluate")
    assert code == 0 and "4 faces of" in output, output
    assert "Left out: 1 of contempt, 1 without a label." in output
    assert "warning" not in output
    code, output = run(
        exported, tmp_path / "other.csv", "--part", "test", recipe="evaluate"
    )
    assert code == 0 and "3 faces of" in output, output


@pytest.mark.parametrize(
    ("content", "flags", "error"),
    [
        (
            "path,label\na.png,joy\n",
            (),
            "no face of a class of the model, neutral, anger",
        ),
        ("path\na.png\n", (), "Received: no labels"),
        ("path,label\na.png,fear\n", ("--part", "test"), "no column `split`"),
    ],
)
def test_data_that_say_nothing(trained, tmp_path, content, flags, error):
    _, folder = trained
    (tmp_path / "x.csv").write_text(content)
    code, output = run(folder, tmp_path / "x.csv", *flags, recipe="evaluate")
    assert code == 1 and error in output and "Traceback" not in output


def test_what_is_no_model(tmp_path):
    (tmp_path / "x.csv").write_text("path,label\na.png,fear\n")
    code, output = run(tmp_path / "none", tmp_path / "x.csv", recipe="evaluate")
    assert code == 1 and "does not exist" in output
