"""The omni-supervised recipe, run as a user runs it, at toy size."""

import csv
import json
import pathlib

import numpy as np
import pandas as pd
import pytest
from support.recipe_runs import RECIPES, TINY, imported, parsed, run
from support.toys import random_faces

import kerasfer
from kerasfer.data import from_arrays
from kerasfer.experiments import cross_data, optimizers
from kerasfer.experiments import training as training_flags
from kerasfer.experiments.omni import patterns, start
from kerasfer.omni.distillation import load_images
from kerasfer.vision.images import cv2, read_image

FLAGS = ["--rendered-faces", 300, "--protocol", "balanced:labels=16", "--epochs", 2]
FLAGS += ["--no-report", *TINY]
FLAGS += ["--batch-size", 8, "--image-size", 16, "--distill-epochs", 6]
FLAGS += ["--distill-steps-per-epoch", 1, "--distill-batch", 8]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    out = tmp_path_factory.mktemp("omni")
    names = ["baseline", "vas", "das"]
    code, output = run(*FLAGS, "--only", *names, "--out", out, recipe="omni_supervised")
    assert code == 0, output
    return out, next(out.glob("omni_supervised/*")), output


@pytest.mark.slow
def test_the_table_shows_the_chain(chain):
    _, folder, _ = chain
    table = pd.read_csv(folder / "table.csv")
    assert [*table["method"]] == ["largest class", "baseline", "vas", "das"]
    selected = pd.read_csv(folder / "seed0/selected.csv")
    # A tenth of the sea: 168 wild faces, those left over by the test "wild".
    assert 17 <= len(selected) <= 20
    assert [*table["images"]][1:] == [16, 16 + len(selected), 16 + 8]
    assert {"wild accuracy %", "seconds an epoch", "selected rightly %"} <= set(table)


@pytest.mark.slow
def test_selected_faces_are_ranked_and_were_not_labelled(chain):
    _, folder, _ = chain
    seed = folder / "seed0"
    selected = pd.read_csv(seed / "selected.csv")
    assert [*selected] == ["path", "label", "cosine_margin", "rank"]
    for _, rows in selected.groupby("label"):
        assert [*rows["rank"]] == [*range(1, len(rows) + 1)]
        assert (np.diff(rows["cosine_margin"]) <= 0).all()
    split = pd.read_csv(seed / "vas/split.csv")
    labeled = set(split["path"][split["part"] == "labeled"])
    unlabeled = set(split["path"][split["part"] == "unlabeled"])
    assert set(selected["path"]) <= labeled and not set(selected["path"]) & unlabeled
    assert read_image(seed / "selected.png").std() > 10


@pytest.mark.slow
def test_distilled_images_and_their_evolution(chain):
    _, folder, _ = chain
    distilled = folder / "seed0/distilled"
    images, labels, names = load_images(distilled / "distilled.npz")
    assert images.shape == (8, 16, 16, 3) and [*labels] == [*range(8)]
    assert len(names) == 8
    snapshots = sorted(path.name for path in distilled.glob("epoch_*.npz"))
    assert snapshots == [f"epoch_000{number}.npz" for number in range(1, 7)]
    last = load_images(distilled / snapshots[-1])[0]
    np.testing.assert_array_equal(last, images)
    for name in ("distilled", "evolution"):
        assert read_image(distilled / f"{name}.png").std() > 10
    assert not list(distilled.glob("*.h5"))  # of the distillation under way


@pytest.mark.slow
def test_stages_are_skipped_while_their_inputs_are_the_same(chain):
    out, folder, _ = chain
    seed = folder / "seed0"
    before = {p: p.stat().st_mtime_ns for p in seed.rglob("*.np[yz]")}
    code, output = run(*FLAGS, "--out", out, recipe="omni_supervised")
    assert code == 0, output
    lines = [line for line in output.splitlines() if line.endswith("taken as it is.")]
    found = {pathlib.Path(line.split(" is ")[0]).name for line in lines}
    stages = {"primitive", "selected.csv", "distilled"}
    assert found == {"baseline", "vas", "das"} | stages
    for line in ("epoch/s", "Embedding the sea", "Selected "):
        assert line not in output
    assert before == {p: p.stat().st_mtime_ns for p in seed.rglob("*.np[yz]")}


@pytest.mark.slow
def test_files_of_your_own_are_taken(chain):
    out, folder, _ = chain
    seed = folder / "seed0"
    kept = (seed / "selected.csv").read_text()
    own = out / "own.csv"
    rows = list(csv.DictReader((seed / "selected.csv").open()))[:3]
    own.write_text("path,label\n" + "".join(f"{r['path']},fear\n" for r in rows))
    flags = [*FLAGS, "--primitive", seed / "primitive/classifier.keras", "--selected"]
    flags += [own, "--only", "vas", "--out", out / "own"]
    code, output = run(*flags, recipe="omni_supervised")
    assert code == 0, output
    (result,) = (out / "own").rglob("vas/result.json")
    assert json.loads(result.read_text())["images"] == 16 + 3
    assert "selected 3" in output and not list((out / "own").rglob("baseline"))
    assert (seed / "selected.csv").read_text() == kept
    flags = [*FLAGS, "--keep-fraction", 0.5, "--out", out]
    code, output = run(*flags, recipe="omni_supervised")
    assert code != 0 and "was made from other inputs" in output
    assert (seed / "selected.csv").read_text() == kept


@pytest.mark.slow
def test_selecting_alone(chain):
    out, folder, _ = chain
    flags = [*FLAGS, "--primitive", folder / "seed0/primitive/classifier.keras"]
    flags += ["--delta", 0.0, "--most-per-class", 2, "--only", "select"]
    code, output = run(*flags, "--out", out / "select", recipe="omni_supervised")
    assert code == 0, output
    (selected,) = (out / "select").rglob("selected.csv")
    assert pd.read_csv(selected)["label"].value_counts().max() <= 2
    code, output = run(
        *flags, "--delta", 2.0, "--out", out / "none", recipe="omni_supervised"
    )
    assert code != 0 and "Lower --delta" in output and "Traceback" not in output


def write_faces(folder, faces, class_names, subjects=None):
    folder.mkdir()
    lines = ["path,label,subject"]
    for row, image in enumerate(faces.images):
        cv2.imwrite(str(folder / f"{row}.png"), image)
        subject = subjects[row] if subjects else ""
        lines.append(f"{row}.png,{class_names[faces.labels[row]]},{subject}")
    (folder / "faces.csv").write_text("\n".join(lines) + "\n")
    return folder / "faces.csv"


def test_folds_and_other_data_sets(tmp_path):
    faces = random_faces(60, side=16)
    subjects = [f"s{i % 6}" for i in range(60)]
    own = write_faces(tmp_path / "own", faces, ("anger", "fear", "joy"), subjects)
    sea = write_faces(tmp_path / "sea", random_faces(40, side=16, seed=1), "abc")
    other = write_faces(
        tmp_path / "other", random_faces(30, side=16, seed=2), ("fear", "joy", "awe")
    )
    flags = ["--manifest", own, "--unlabeled", sea, "--protocol", "folds:k=3"]
    flags += ["--test", f"other={other}", "--epochs", 1, "--steps-per-epoch", 2]
    flags += ["--batch-size", 4, "--image-size", 16, "--only", "baseline"]
    code, output = run(*flags, "--out", tmp_path / "runs", recipe="omni_supervised")
    assert code == 0, output
    (folder,) = (tmp_path / "runs/omni_supervised").iterdir()
    table = pd.read_csv(folder / "table.csv")
    assert [*table["seeds"]] == [1, 1] and [*table["folds"]] == [3, 3]
    results = [json.loads(p.read_text()) for p in folder.rglob("result.json")]
    assert len(results) == 3
    for result in results:
        assert result["other_classes"] == "fear joy"
        assert (result["other_images"], result["other_left_out"]) == (20, 10)
    tested = [pd.read_csv(p)["path"] for p in folder.rglob("predictions_test.csv")]
    assert sorted(pd.concat(tested)) == sorted(f"{row}.png" for row in range(60))


@pytest.mark.slow
def test_an_anchor_of_its_own(tmp_path):
    """Its classes are others, in another order: selected faces and distilled images are
    matched by name; the anchor is trained once, its test set is not read."""
    faces = random_faces(60, side=16)
    subjects = [f"s{i % 5}" for i in range(60)]
    own = write_faces(tmp_path / "own", faces, ("anger", "fear", "joy"), subjects)
    sea = write_faces(tmp_path / "sea", random_faces(40, side=16, seed=1), "abc")
    anchor = write_faces(
        tmp_path / "anchor", random_faces(60, side=16, seed=2), ("joy", "fear", "joy")
    )
    flags = ["--manifest", own, "--unlabeled", sea, "--protocol", "folds:k=2"]
    flags += ["--anchor", anchor, "--epochs", 1, "--steps-per-epoch", 2, "--no-report"]
    flags += ["--batch-size", 4, "--image-size", 16, "--distill-epochs", 6]
    flags += ["--distill-steps-per-epoch", 0, "--distill-batch", 32]
    flags += ["--start", "primitive_body", "--learned-steps", "--only", "vas", "das"]
    code, output = run(*flags, "--out", tmp_path / "runs", recipe="omni_supervised")
    assert code == 0, output
    (folder,) = (tmp_path / "runs/omni_supervised").iterdir()
    assert len([*folder.rglob("anchor/config.yaml")]) == 1
    result = json.loads((folder / "seed0/anchor/result.json").read_text())
    assert "accuracy" not in result
    selected = pd.read_csv(folder / "seed0/selected.csv")
    assert {*selected["label"]} <= {"fear", "joy"}
    splits = [pd.read_csv(p, dtype=str) for p in folder.rglob("vas/split.csv")]
    for split in splits:
        labels = split[split["part"] == "labeled"].set_index("path")["label"]
        for path, label in zip(selected["path"], selected["label"], strict=True):
            (found,) = [name for p, name in labels.items() if p.endswith(f"sea/{path}")]
            assert found == label
    assert len(splits) == 2
    metrics = pd.read_csv(folder / "seed0/distilled/metrics.csv")
    assert len(metrics) == 6


def test_starts():
    build = kerasfer.build_classifier
    learner, other = build("compact", (16, 16, 3), 3), build("compact", (16, 16, 3), 3)
    head = other.get_layer("logits").get_weights()[0]
    start.start_from(other, learner, with_head=False)
    np.testing.assert_array_equal(other.get_layer("logits").get_weights()[0], head)
    for ours, theirs in zip(other.weights[:-2], learner.weights[:-2], strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    start.start_from(other, learner, with_head=True)
    for ours, theirs in zip(other.weights, learner.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    with pytest.raises(ValueError, match="needs a primitive learner of the same class"):
        start.start_from(build("compact", (16, 16, 3), 4), learner, with_head=True)


def test_other_data_sets_by_hand():
    images = np.zeros((4, 4, 4, 3), np.uint8)
    other = from_arrays(images, [0, 1, 2, 1], class_names=("fear", "awe", "joy"))
    probs = {"joy": [0.2, 0.1], "anger": [0.7, 0.6], "fear": [0.1, 0.3]}

    def predict(manifest):
        assert len(manifest) == 2  # without the two of awe
        return np.stack([probs[c] for c in ("joy", "anger", "fear")], -1)

    names = ("joy", "anger", "fear")
    scores, facts = cross_data.evaluate_on("other", other, names, predict)
    # Among joy and fear: joy for fear, fear for joy.
    assert scores["other_accuracy"] == 0.0 and facts["other_left_out"] == 2
    with pytest.raises(ValueError, match="fewer than two classes are those of"):
        cross_data.evaluate_on("other", other, ("joy", "anger"), predict)
    with pytest.raises(ValueError, match="expected NAME=MANIFEST.csv. Received: a.csv"):
        cross_data.read_tests(["a.csv"])


def test_the_paper_s_setting():
    config = parsed(
        imported("omni_supervised"), "--config", RECIPES / "omni_paper.yaml"
    )
    training = config.training
    assert (training.optimizer, training.learning_rate) == ("sgd", 1e-3)
    assert (training.schedule, training.epochs) == ("steps", 25)
    assert (config.network.backbone, config.faces.image_size, config.faces.pad) == (
        "vgg16",
        224,
        0.0,
    )
    training = training_flags.with_steps(training, num_labeled=100, batch_size=32)
    rate = optimizers.learning_rate(training)
    # 4 steps an epoch: a tenth from the 41st step on.
    rates = [float(rate(step)) for step in (0, 39, 40, 80)]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-5], rtol=1e-5)


def test_patterns_and_their_control(tmp_path):
    rng = np.random.default_rng(0)
    start = rng.normal(127.5, 64, (3, 16, 16, 3))
    for epoch in range(6):
        images = start + epoch * rng.normal(0, 2, start.shape)
        np.savez(
            tmp_path / f"epoch_{epoch:04d}.npz",
            images=images.astype(np.float32),
            labels=np.arange(3),
            class_names=np.array(["a", "b", "c"]),
        )
    found = patterns.learnable(tmp_path)
    # Noise that hardly changes is known again: no sign of any pattern.
    assert found["patterns_accuracy"] > 0.6 and found["patterns_control"] > 0.6
    assert read_image(tmp_path / "patterns.png").std() > 10
