"""What every recipe does, by the one of Margin-Mix, at toy size."""

import csv
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from support.quick_recipes import split_of
from support.recipe_runs import RECIPES, imported, parsed, run

from kerasfer.vision.images import read_image


@pytest.fixture(scope="module")
def finished(manifest):
    out = manifest.parent / "runs"
    config = manifest.parent / "quick.yaml"
    code, output = run("--manifest", manifest, "--config", config, "--out", out)
    assert code == 0, output
    return next(out.glob("margin_mix/*")), output


def test_table_and_folder(finished):
    folder, output = finished
    assert folder.name == f"{folder.parents[2].name}_balanced-labels=12"
    table = list(csv.DictReader((folder / "table.csv").open()))
    methods = ["largest class", "supervised", "margin_mix"]
    assert [row["method"] for row in table] == methods
    assert {row["seeds"] for row in table} == {"2"}
    assert str(folder) in output and "margin_mix" in (folder / "table.md").read_text()
    for seed in (0, 1):
        for method in ("supervised", "margin_mix"):
            files = {p.name for p in (folder / f"seed{seed}" / method).iterdir()}
            expected = {
                "config.yaml", "env.json", "split.csv", "metrics.csv", "result.json",
                "best.weights.h5", "last.weights.h5", "predictions_test.csv",
                "predictions_validation.csv", "classifier.keras", "samples.npz",
                "report.html", "shown_faces.csv", "shown_faces", "embedding.csv",
                "own_parts",
            }  # fmt: skip
            if method != "supervised":
                expected |= {"pseudo_labels.csv", "confidences.csv"}
            assert files - {"findings.csv"} == expected


def test_a_confusion_matrix_per_method(finished):
    folder, _ = finished
    for method in ("supervised", "margin_mix"):
        assert read_image(folder / f"confusion_{method}.png").std() > 10


def test_without_a_manifest_faces_are_rendered(tmp_path):
    options = ["--rendered-faces", "200", "--protocol", "balanced:labels=24"]
    options += ["--epochs", "1", "--steps-per-epoch", "2", "--batch-size", "4"]
    options += ["--data-workers", "1", "--beside", "supervised"]
    code, output = run(*options, "--image-size", "16", cwd=tmp_path)
    assert code == 0, output
    folder = tmp_path / "runs/margin_mix/rendered_balanced-labels=24"
    rows = list(csv.DictReader((folder / "table.csv").open()))
    methods = ["largest class", "supervised", "margin_mix"]
    assert [row["method"] for row in rows] == methods
    predictions = (folder / "seed0/margin_mix/predictions_test.csv").read_text()
    assert len(predictions.splitlines()) == 1 + 40  # a fifth of 200, and the header


def test_numbers_agree_with_the_predictions(finished):
    folder, _ = finished
    run_folder = folder / "seed1/margin_mix"
    result = json.loads((run_folder / "result.json").read_text())
    rows = list(csv.DictReader((run_folder / "predictions_test.csv").open()))
    right = [row["label"] == row["predicted"] for row in rows]
    np.testing.assert_allclose(result["accuracy"], np.mean(right))
    classes = {row["label"] for row in rows}
    recalls = [
        np.mean([r["predicted"] == name for r in rows if r["label"] == name])
        for name in classes
    ]
    np.testing.assert_allclose(
        result["mean_class_accuracy"], np.mean(recalls), rtol=1e-6
    )
    assert np.sum(result["confusion"]) == len(rows)
    metrics = list(csv.DictReader((run_folder / "metrics.csv").open()))
    best = max(metrics, key=lambda row: float(row["val_accuracy"]))
    assert result["epoch"] == int(best["epoch"]) + 1
    assert float(result["val_accuracy"]) == pytest.approx(float(best["val_accuracy"]))


def test_all_methods_of_a_seed_share_their_split(finished):
    folder, _ = finished
    splits = [
        (folder / f"seed0/{method}/split.csv").read_text()
        for method in ("supervised", "margin_mix")
    ]
    assert splits[0] == splits[1]
    assert splits[0] != (folder / "seed1/supervised/split.csv").read_text()


def test_flags_win_over_the_file_which_wins_over_defaults(finished):
    folder, _ = finished
    config = yaml.safe_load((folder / "seed0/margin_mix/config.yaml").read_text())
    assert config["epochs"] == 2 and config["threshold"] == 0.95
    assert (config["method"], config["seed"]) == ("margin_mix", 0)


def test_finished_runs_are_taken_as_they_are_and_never_overwritten(finished, manifest):
    folder, _ = finished
    options = ["--manifest", manifest, "--config", manifest.parent / "quick.yaml"]
    options += ["--out", folder.parents[1]]
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("result.json")}
    code, output = run(*options)
    assert code == 0 and output.count("its result is taken as it is") == 4
    code, output = run(*options, "--epochs", 3)
    assert code == 1 and "finished run with another configuration" in output
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("result.json")}


def test_an_unfinished_run_is_moved_aside_and_a_foreign_folder_refused(
    manifest, tmp_path
):
    options = ["--manifest", manifest, "--config", manifest.parent / "quick.yaml"]
    options += ["--out", tmp_path, "--seeds", "0", "--beside", "--epochs", "1"]
    folder = tmp_path / f"margin_mix/{manifest.parent.name}_balanced-labels=12/seed0"
    (folder / "margin_mix").mkdir(parents=True)
    (folder / "margin_mix/thesis.tex").write_text("mine")
    code, output = run(*options)
    assert code == 1 and "is not a run of ours" in output
    (folder / "margin_mix/config.yaml").write_text("epochs: 9\n")
    code, output = run(*options)
    assert code == 0 and "moved to" in output
    assert (folder / "margin_mix.unfinished-1/thesis.tex").read_text() == "mine"
    assert (folder / "margin_mix/result.json").exists()


def test_a_split_can_be_given_back(finished, manifest, tmp_path):
    folder, _ = finished
    split = folder / "seed1/supervised/split.csv"
    options = ["--manifest", manifest, "--config", manifest.parent / "quick.yaml"]
    options += ["--split", split, "--seeds", "5", "--beside", "fixmatch"]
    options += ["--epochs", "1"]
    code, output = run(*options, "--out", tmp_path)
    assert code == 0, output
    again = list(tmp_path.rglob("split.csv"))
    assert {p.parent.name for p in again} == {"fixmatch", "margin_mix"}
    assert {p.read_text() for p in again} == {split.read_text()}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--manifest", "none.csv"], "Manifest none.csv does not exist"),
        (["--protocol", "balanced:labels=9999"], "fewer than the 3333 labels"),
        (["--protocol", "most"], "Unknown protocol"),
        (["--rendered-faces", "7"], "--rendered-faces: expected at least 100"),
        (["--epochs", "0"], "--epochs: expected at least 1. Received: 0"),
        (["--temperature", "0"], "`temperature` must be more than 0. Received: 0"),
        (["--learning-rate", "fast"], "could not convert string to float"),
        (["--epoch", "3"], "Unrecognized options: --epoch"),
        (["--beside", "flexmatch"], "flexmatch"),
        (["--config", "none.yaml"], "--config none.yaml"),
        (["--learning-rate", "1e30"], "The loss is"),
    ],
)
def test_bad_input_ends_with_one_clear_error(manifest, tmp_path, arguments, error):
    options = ["--config", manifest.parent / "quick.yaml", "--out", tmp_path / "runs"]
    code, output = run("--manifest", manifest, *options, *arguments, cwd=tmp_path)
    assert code != 0 and error in output, output
    assert "Traceback" not in output
    assert not list(tmp_path.rglob("result.json"))


def test_a_manifest_without_labels(tmp_path):
    (tmp_path / "m.csv").write_text("path,AU1\na.png,1\n")
    code, output = run("--manifest", tmp_path / "m.csv", "--out", tmp_path / "runs")
    assert code == 1 and "has no expression labels" in output


def test_an_output_folder_that_cannot_be_written(manifest, tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    options = ["--config", manifest.parent / "quick.yaml", "--out", tmp_path / "file"]
    code, output = run("--manifest", manifest, *options)
    assert code == 1 and "error: cannot write or read" in output


def test_unknown_keys_of_a_config_file(manifest, tmp_path):
    (tmp_path / "c.yaml").write_text("lambda: 3\n")
    code, output = run("--manifest", manifest, "--config", tmp_path / "c.yaml")
    assert code != 0 and "--lambda" in output
    (tmp_path / "c.yaml").write_text("- a list\n")
    code, output = run("--manifest", manifest, "--config", tmp_path / "c.yaml")
    assert code != 0 and "expected `name: value` lines" in output


def test_an_image_that_is_none_stops_the_run_by_name(manifest, tmp_path):
    shutil.copytree(manifest.parent, tmp_path / "faces", dirs_exist_ok=True)
    for row in range(0, 150, 2):
        (tmp_path / f"faces/{row}.png").write_text("not an image")
    options = ["--config", manifest.parent / "quick.yaml", "--out", tmp_path / "runs"]
    code, output = run("--manifest", tmp_path / "faces/manifest.csv", *options)
    assert code == 1 and re.search(r"error: .*\.png is not one, or is damaged", output)
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("recipe", "symbols"),
    [
        ("margin_mix", ("lambda_U", "tau_d", "alpha", "lambda_M", "mu,")),
        ("ada_cm", ("alpha_1", "alpha_3", "gamma", "T_0", "T_c", "beta", "tau")),
        ("baselines", ("lambda_u", "tau_e", "tau,", "tau of InPL")),
        ("remop", ("lambda_1", "lambda_2", "L_u", "mixture", "Figure 4", "tau")),
    ],
)
def test_help_is_fast_and_names_the_symbols(recipe, symbols):
    code, output = run("--help", recipe=recipe)
    assert code == 0
    for symbol in symbols:
        assert symbol in output
    code = (
        "import sys, runpy\n"
        f"path = {str(RECIPES / f'{recipe}.py')!r}\n"
        "sys.argv = ['recipe.py', '--help']\n"
        "try: runpy.run_path(path, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('tensorflow' in sys.modules)"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output.strip().endswith("False")


def test_recipes_default_to_the_papers():
    ada_cm, remop = imported("ada_cm").Config(), imported("remop").Config()
    for config, rate, epochs, steps in [
        (ada_cm, 5e-4, 20, 800),  # section 4.1, and the code's iterations
        (remop, 1e-4, 100, 1000),  # section 5.2
    ]:
        assert config.training.learning_rate == rate
        assert config.training.schedule == "constant"
        assert config.training.adam_epsilon == 1e-8
        assert config.network.dropout == 0.5
        assert (config.training.epochs, config.training.steps_per_epoch) == (
            epochs,
            steps,
        )
        assert config.faces.batch_size == 16
    weights = (
        imported("ada_cm").build_model(ada_cm, "ada_cm", split_of()).weights_of_losses
    )
    assert (weights["supervised"], weights["unlabeled"]) == (0.5, 1.0)
    assert weights["contrastive"] == 0.1
    weights = imported("remop").build_model(remop, "fixmatch+remop", split_of())
    weights = weights.weights_of_losses
    assert (weights["unlabeled"], weights["center"]) == (0.2, 1e-4)
    assert weights["simplex"] == 0.1


RECIPE_NAMES = ["margin_mix", "ada_cm", "remop", "baselines"]


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_the_short_config_fits_every_recipe(recipe):
    config = parsed(imported(recipe), "--config", RECIPES / "short.yaml")
    assert config.training.epochs * config.training.steps_per_epoch == 1200


@pytest.mark.parametrize(
    ("recipe", "flags", "error"),
    [
        (
            "ada_cm",
            ["--temperature", 0],
            "`temperature` must be more than 0. Received: 0",
        ),
        ("ada_cm", ["--convention", "mine"], "mine"),
        ("remop", ["--beta", 2], "beta"),
        ("baselines", ["--scheme", "mixmatch+mixup"], "Received: mixmatch+mixup"),
        (
            "baselines",
            ["--scheme", "mixmatch+adsh"],
            "Adsh does not fit MixMatch",
        ),
        (
            "baselines",
            ["--backbone", "dlib_resnet", "--normalization", "unit"],
            "needs --normalization dlib",
        ),
        (
            "baselines",
            ["--threshold", -1],
            "`threshold` must be at least 0. Received: -1",
        ),
        ("remop", ["--backbone-weights", "a.pth"], "needs --backbone resnet18"),
        (
            "ada_cm",
            ["--backbone", "resnet18", "--backbone-weights", "none.pth"],
            "none.pth does not exist",
        ),
    ],
)
def test_bad_flags_of_the_other_recipes(recipe, flags, error, tmp_path):
    options = ["--rendered-faces", "100", "--protocol", "balanced:labels=8"]
    code, output = run(*flags, *options, recipe=recipe, cwd=tmp_path)
    assert code != 0 and error in output and "Traceback" not in output
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert not left  # the corrected command finds no remains of a run
