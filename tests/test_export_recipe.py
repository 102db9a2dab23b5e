"""recipes/export.py: the folder of a run becomes an export with its card."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from support.recipe_runs import TINY, imported, run, write_noise
from support.toys import au_classifier, dense_classifier

import kerasfer
from kerasfer.deploy.calibration import with_temperature
from kerasfer.experiments import exporting
from kerasfer.vision.alignment import CROPS

export = imported("export")
NAMES = ("anger", "fear", "neutral")
GENDERS = ("f", "m", "")


def faces(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)


def finished_run(folder, classifier=None, manifest=None, **config):
    """The folder of a run as `train` leaves it, of 60 test faces."""
    folder.mkdir()
    classifier = classifier or dense_classifier()
    classifier.save(folder / "classifier.keras")
    np.savez(folder / "samples.npz", images=faces(4, 0))
    labels = {}
    for part, seed in (("validation", 1), ("test", 2)):
        probs = classifier(faces(60, seed).astype(np.float32))["probs"].numpy()
        labels[part] = np.arange(60) % 3
        table = pd.DataFrame(probs, columns=[f"p_{name}" for name in NAMES])
        table["path"] = [f"{seed}_{i}.png" for i in range(60)]
        table["label"] = [NAMES[k] for k in labels[part]]
        table["predicted"] = [NAMES[k] for k in probs.argmax(-1)]
        table.to_csv(folder / f"predictions_{part}.csv", index=False)
    right = probs.argmax(-1) == labels["test"]
    result = {
        "method": "fixmatch",
        "epoch": 3,
        "selected_on": "val_accuracy",
        "accuracy": float(right.mean()),
        "mean_class_accuracy": float(right.mean()),
        "outputs": NAMES,
        "faces": {"labeled": 30, "unlabeled": 99, "validation": 60, "test": 60},
    }
    settings = {
        "method": "fixmatch",
        "seed": 7,
        "manifest": manifest and str(manifest),
        "protocol": "balanced:labels=30",
        "epochs": 5,
        "mixed_precision": "off",
        **config,
    }
    versions = ("kerasfer", "tensorflow", "keras", "numpy", "opencv", "python")
    env = dict.fromkeys(versions, "1.0")
    env |= {"started": "2026-11-23T10:00:00", "machine": "Linux, 2 cores"}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "env.json").write_text(json.dumps(env))
    return folder


def exported(run_folder, out, **fields):
    fields = {"format": ("keras",), **fields}
    exporting.export_run(export.Config(run_folder, out, **fields))
    return kerasfer.load(out), (out / "MODEL_CARD.md").read_text()


def test_an_export_says_what_it_is(tmp_path):
    predictor, card = exported(finished_run(tmp_path / "run"), tmp_path / "out")
    description = predictor.description
    assert description.names == NAMES and description.image_shape == (4, 4, 3)
    assert description.crop == CROPS["rendered"]  # there was no manifest
    assert description.run["protocol"] == "balanced:labels=30"
    assert description.versions["training"]["keras"] == "1.0"
    assert "no data of third parties" in description.licences[0]
    assert card.startswith("# fixmatch, trained on rendered faces")
    for text in (
        "30 labelled, 99 unlabelled, 60 for validation, 60 for the test",
        "anger, fear, neutral, in this order",
        "Epoch 3 of 5, chosen by val_accuracy",
        "By subgroup: **not known**",
        "Not for judging people",
        "template `rendered`",
    ):
        assert text in card, text


def test_the_temperature_is_of_the_validation_faces(tmp_path):
    folder = finished_run(tmp_path / "run")
    predictor, card = exported(folder, tmp_path / "out")
    table = pd.read_csv(folder / "predictions_validation.csv")
    raw = table[[f"p_{name}" for name in NAMES]].to_numpy()
    right = np.arange(60) % 3
    best = min(
        np.exp(np.linspace(np.log(0.05), np.log(20), 4001)),
        key=lambda t: (
            -np.log(with_temperature(raw, t).numpy()[np.arange(60), right]).sum()
        ),
    )
    assert predictor.description.temperature == pytest.approx(best, rel=5e-3)
    assert f"temperature {predictor.description.temperature:g}" in card
    plain, _ = exported(folder, tmp_path / "plain", calibrate=False)
    assert plain.description.temperature == 1.0


def test_metrics_by_class_are_those_of_the_predictions(tmp_path):
    folder = finished_run(tmp_path / "run")
    _, card = exported(folder, tmp_path / "out")
    table = pd.read_csv(folder / "predictions_test.csv")
    for name in NAMES:
        of_class = table[table["label"] == name]
        right = sum(of_class["predicted"] == name)
        (row,) = (line for line in card.splitlines() if line.startswith(f"| {name} "))
        cells = [cell.strip() for cell in row.split("|")]
        assert cells[2] == "20" and float(cells[3]) == pytest.approx(5 * right, abs=0.1)


def test_metrics_by_subgroup(tmp_path):
    manifest = tmp_path / "faces/manifest.csv"
    manifest.parent.mkdir()
    lines = [f"2_{i}.png,neutral,{GENDERS[i % 3]},{i}" for i in range(60)]
    manifest.write_text("path,label,gender,other\n" + "\n".join(lines) + "\n")
    manifest.with_name("LICENCE_NOTICE.txt").write_text("RAF-DB: cite its paper\n")
    folder = finished_run(tmp_path / "run", manifest=manifest)
    predictor, card = exported(
        folder, tmp_path / "out", crop="arcface", licence=("RAF-DB: research only",)
    )
    assert predictor.description.crop == CROPS["arcface"]
    assert predictor.description.licences == (
        "RAF-DB: cite its paper",
        "RAF-DB: research only",
    )
    assert "- RAF-DB: cite its paper" in card
    table = pd.read_csv(folder / "predictions_test.csv")
    right = 100 * (table["label"] == table["predicted"])
    for first, name in ((0, "f"), (1, "m"), (2, "unknown")):
        row = next(line for line in card.splitlines() if line.startswith(f"| {name} "))
        assert f"{right[first::3].mean():.1f} (se " in row and " 20 |" in row
    assert "| other" not in card
    _, card = exported(folder, tmp_path / "none", subgroups=())
    assert "By subgroup: **not known**" in card
    assert "how its training faces were cut out is not stated" in card.lower()
    manifest.unlink()
    with pytest.raises(ValueError, match="is not there any more"):
        exported(folder, tmp_path / "gone")


def test_the_crop_that_stands_beside_the_manifest(tmp_path):
    crop = dataclasses.replace(CROPS["box"], margin=0.3)
    (tmp_path / "crop.json").write_text(json.dumps(dataclasses.asdict(crop)))
    (tmp_path / "manifest.csv").write_text("path,label\na.png,fear\n")
    folder = finished_run(tmp_path / "run", manifest=tmp_path / "manifest.csv")
    predictor, card = exported(folder, tmp_path / "out")
    assert predictor.description.crop == crop
    assert "30% of it added on each side" in card


def test_action_units(tmp_path):
    names = ("AU1", "AU4", "AU6")
    classifier = au_classifier(3)
    folder = finished_run(tmp_path / "run", classifier, method="island")
    rng, thresholds = np.random.default_rng(0), [0.3, 1 / 3, 0.7]
    for part in ("validation", "test"):
        truth, probs = rng.integers(-1, 2, (60, 3)), rng.random((60, 3))
        columns = {"path": np.arange(60)}
        for m, name in enumerate(names):
            columns[name], columns[f"p_{name}"] = truth[:, m], probs[:, m]
            columns[f"decision_{name}"] = (probs[:, m] >= thresholds[m]).astype(int)
        pd.DataFrame(columns).to_csv(folder / f"predictions_{part}.csv", index=False)
    result = json.loads((folder / "result.json").read_text())
    result |= {"outputs": names, "thresholds": thresholds, "fitted_f1": 0.5}
    (folder / "result.json").write_text(json.dumps(result))
    predictor, card = exported(folder, tmp_path / "out")
    assert predictor.description.thresholds == (0.3, 1 / 3, 0.7)
    known = truth[:, 1] >= 0
    decided, present = probs[known, 1] >= 1 / 3, truth[known, 1] == 1
    f1 = 200 * (decided & present).sum() / (decided.sum() + present.sum())
    (row,) = (line for line in card.splitlines() if line.startswith("| AU4 "))
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[2:6] == ["brow lowerer", f"{known.sum()}", f"{present.sum()}", "0.333"]
    assert float(cells[6]) == pytest.approx(f1, abs=0.06)


def test_folders_that_are_no_finished_run(tmp_path):
    folder = finished_run(tmp_path / "runs")
    with pytest.raises(ValueError, match="no config.yaml and no result.json.*runs"):
        exported(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="is not a finished run"):
        exported(tmp_path / "gone", tmp_path / "out")
    (folder / "samples.npz").unlink()
    with pytest.raises(ValueError, match="lacks samples.npz.*Train it again"):
        exported(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


TOY = ["--epochs", 2, "--steps-per-epoch", 2, "--batch-size", 8, "--image-size", 16]
TOY += TINY


@pytest.mark.slow
def test_what_recipes_train_is_exported_as_it_was_tested(tmp_path):
    """Margin-Mix and ReMoP: the probabilities of the test set come out again."""
    manifest = write_noise(tmp_path)
    flags = [*TOY, "--manifest", manifest, "--protocol", "balanced:labels=30"]
    for recipe, method in (("margin_mix", "margin_mix"), ("remop", None)):
        out = tmp_path / f"runs_{recipe}"
        extra = [] if method else ["--base", "fixmatch"]
        code, output = run(*flags, *extra, "--out", out, recipe=recipe)
        assert code == 0, output
        folder = sorted(p.parent for p in out.rglob("result.json"))[-1]
        arguments = [folder, tmp_path / f"out_{recipe}", "--no-calibrate"]
        arguments += ["--format", "saved_model", "litert"]
        code, output = run(*arguments, recipe="export")
        assert code == 0 and "saved_model: differs" in output, output
        table = pd.read_csv(folder / "predictions_test.csv")
        images = [
            kerasfer.vision.images.read_image(tmp_path / name) for name in table["path"]
        ]
        for name in ("saved_model", "model.tflite"):
            found = kerasfer.load(tmp_path / f"out_{recipe}" / name)(images)
            expected = table[[f"p_{n}" for n in found.names]]
            np.testing.assert_allclose(found.probs, expected, atol=2e-5)
        again, output = run(*arguments, recipe="export")
        assert again == 1 and "nothing was changed" in output


@pytest.mark.slow
def test_action_units_of_a_recipe(tmp_path):
    flags = ["--rendered-faces", 300, "--protocol", "random:labels=60", *TOY]
    code, output = run(*flags, "--out", tmp_path / "runs", recipe="large_margin_au")
    assert code == 0, output
    folder = sorted(p.parent for p in (tmp_path / "runs").rglob("result.json"))[-1]
    code, output = run(folder, tmp_path / "out", recipe="export")
    assert code == 0, output
    predictor = kerasfer.load(tmp_path / "out")
    thresholds = json.loads((folder / "result.json").read_text())["thresholds"]
    assert [*predictor.description.thresholds] == thresholds
    card = (tmp_path / "out/MODEL_CARD.md").read_text()
    assert "inner brow raiser" in card
