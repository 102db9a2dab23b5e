"""report.html and the pages for TensorBoard, of a run as a user makes it."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from support.html_page import Page
from support.recipe_runs import TINY, run, write_noise
from support.toys import dense_classifier, random_faces

from kerasfer.callbacks import TensorBoardFigures
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.experiments.report import run as report_run
from kerasfer.schemes import Supervised

FLAGS = [
    "--protocol", "balanced:labels=12", "--image-size", 16, "--batch-size", 6,
    "--epochs", 3, "--steps-per-epoch", 2, "--scheme", "fixmatch", *TINY,
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    manifest = write_noise(folder)
    rows = list(csv.DictReader(manifest.open()))
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label", "gender"])
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow({**row, "gender": ("female", "male")[number % 2]})
    code, output = run(
        "--manifest", manifest, *FLAGS, "--tensorboard", "--figures-every", 2,
        "--no-ema-warmup",
        "--out", folder / "runs <b>", recipe="baselines",
    )  # fmt: skip
    assert code == 0, output
    assert "\nwarning: the average is its start. After the 6 steps" in output
    (result,) = folder.rglob("result.json")
    return result.parent


def test_a_page_that_needs_nothing_else(finished):
    text = (finished / "report.html").read_text()
    page = Page(text)
    assert page.open == []  # every tag is closed
    assert len(page.ids) == len(set(page.ids))  # no figure takes another's clip
    for source in page.sources:
        assert source.startswith(("data:image/png;base64,", "#")), source[:80]
    assert not re.search(r"url\((?!#|&quot;#|\"#)", text)
    assert "<script" not in text and "#010203" not in text


def test_the_page_has_what_a_user_looks_for(finished):
    page = Page((finished / "report.html").read_text())
    result = json.loads((finished / "result.json").read_text())
    for title in (
        "Summary", "Warnings", "Training", "Pseudo-labels", "Test set", "Calibration",
        "Embedding", "Faces", "How it was made",
    ):  # fmt: skip
        assert title in page.text
    assert f"{100 * result['accuracy']:.1f}" in page.text
    assert "the average is its start (epoch 1)" in page.text
    assert "By gender" in page.text and "female" in page.text
    assert "Test: expected calibration error 0." in page.text
    # The command as it can be given again; what is in names is not markup.
    assert "python recipes/baselines.py --manifest" in page.text
    assert "runs <b>'" in page.text
    assert "not stated: no LICENCE_NOTICE.txt" in page.text
    assert "t-SNE of" in page.text


def test_shown_faces_are_none_of_the_test_part(finished):
    shown = list(csv.DictReader((finished / "shown_faces.csv").open()))
    split = list(csv.DictReader((finished / "split.csv").open()))
    part = {row["path"]: row["part"] for row in split}
    groups = {}
    for row in shown:
        groups.setdefault(row["group"], []).append(row)
        assert (finished / row["file"]).exists()
    wanted = {
        "errors on validation faces": "validation",
        "surest unlabelled faces": "unlabeled",
        "least sure unlabelled faces": "unlabeled",
    }
    for group, rows in groups.items():
        assert {part[row["path"]] for row in rows} == {wanted[group]}
    sure = [float(r["confidence"]) for r in groups["surest unlabelled faces"]]
    unsure = [float(r["confidence"]) for r in groups["least sure unlabelled faces"]]
    assert sure == sorted(sure, reverse=True) and unsure == sorted(unsure)
    assert min(sure) >= max(unsure)
    assert all(r["said"] != r["known"] for r in groups["errors on validation faces"])


def test_a_page_without_faces(finished, tmp_path):
    path = tmp_path / "shared.html"
    code, output = run(
        finished, "--no-with-faces", "--out", path, "--subgroups", "age",
        recipe="report",
    )  # fmt: skip
    assert code == 0 and f"Report: {path}" in output
    page = Page(path.read_text())
    assert "data:image" not in path.read_text() and "By gender" not in page.text
    assert "By subgroup: not known" in page.text


def test_the_page_is_the_same_each_time(finished, tmp_path):
    write = report_run.write_run_report
    first, second = (write(finished, path=tmp_path / f"{n}.html") for n in range(2))
    assert first.read_bytes() == second.read_bytes()


def test_a_run_that_was_cut_off(finished, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in ("config.yaml", "env.json", "metrics.csv"):
        shutil.copy(finished / name, begun)
    code, output = run(begun, recipe="report")
    assert code == 0, output
    page = Page((begun / "report.html").read_text())
    assert "This run is not finished." in page.text and "Training" in page.text
    assert "Test set" not in page.text
    code, output = run(tmp_path, recipe="report")
    assert code == 1 and "is not a run: it has no config.yaml" in output


def events(folder):
    """Tag -> its steps."""
    found = {}
    for path in folder.rglob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


def test_pages_for_tensorboard(finished):
    found = events(finished / "tensorboard")
    assert sorted(found["epoch_loss"]) == [0, 0, 1, 1, 2, 2]  # training, validation
    assert found["confidence/anger"] == [0, 1, 2]
    assert found["pseudo_labels_threshold/fear"] == [0, 1, 2]
    figures = "confusion", "embedding", "surest_pseudo_labels"
    for name in (*figures, "least_sure_pseudo_labels"):
        assert found[name] == [1, 2], name  # every second epoch, and the last


def test_figures_of_few_faces(tmp_path):
    faces = random_faces(4, side=4)
    data = evaluation_dataset(faces)
    model = Supervised(dense_classifier(side=4))
    model.compile("sgd")
    figures = TensorBoardFigures(tmp_path, ("anger", "fear", "neutral"), data)
    model.fit(
        training_dataset(faces, faces, model.all_views, batch_size=4),
        steps_per_epoch=1,
        verbose=0,
        callbacks=[figures],
    )
    tags = events(tmp_path)
    assert "confusion" in tags and "embedding" not in tags


def test_a_loss_that_breaks_is_among_the_findings(tmp_path):
    code, output = run(
        "--manifest", write_noise(tmp_path), *FLAGS, "--learning-rate", "1e30",
        "--optimizer", "sgd", "--out", tmp_path / "runs", recipe="baselines",
    )  # fmt: skip
    assert code == 1 and "error: The loss is" in output
    (path,) = (tmp_path / "runs").rglob("findings.csv")
    (row,) = [r for r in csv.DictReader(path.open()) if "finite" in r["finding"]]
    assert "learning rate" in row["says"]
    assert "the loss is not finite" in (path.parent / "report.html").read_text()


def test_confidences_are_those_of_the_unlabelled_faces(finished):
    rows = list(csv.DictReader((finished / "confidences.csv").open()))
    audit = list(csv.DictReader((finished / "pseudo_labels.csv").open()))
    for epoch in ("1", "2", "3"):
        faces = sum(float(r["faces"]) for r in rows if r["epoch"] == epoch)
        assert faces == 2 * 6  # steps, batch
        given = [
            float(r["passed"]) + float(r["unsure"])
            for r in audit
            if r["epoch"] == epoch
        ]
        assert np.sum(given) == faces
    assert {r["threshold"] for r in audit} == {"0.95"}
