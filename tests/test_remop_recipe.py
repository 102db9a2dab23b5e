"""The recipe of ReMoP, as a user runs it, at toy size."""

import csv

import yaml
from support.quick_recipes import split_of
from support.recipe_runs import imported, parsed, run


def test_remop_on_every_base_beside_the_base_alone(manifest, tmp_path):
    quick = yaml.safe_load((manifest.parent / "quick.yaml").read_text())
    del quick["beside"]
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump({**quick, "epochs": 1}))
    options = ["--manifest", manifest, "--config", tmp_path / "quick.yaml"]
    options += ["--seeds", "0", "--base", "supervised", "fixmatch", "ada_cm"]
    code, output = run(*options, "--out", tmp_path / "runs", recipe="remop")
    assert code == 0, output
    (folder,) = tmp_path.glob("runs/remop/*")
    rows = list(csv.DictReader((folder / "runs.csv").open()))
    bases = ("supervised", "fixmatch", "ada_cm")
    methods = [name for base in bases for name in (base, f"{base}+remop")]
    assert [row["method"] for row in rows] == methods
    for row in rows:
        for kind in ("linear", "feature"):  # Figure 3, beside the mixture's accuracy
            given = row[f"{kind}_accuracy"], row[f"{kind}_mean_class_accuracy"]
            assert all(given) == row["method"].endswith("+remop")
    run_folder = folder / "seed0/fixmatch+remop"
    metrics = list(csv.DictReader((run_folder / "metrics.csv").open()))
    for name in ("linear_pseudo_f1", "mixture_pseudo_f1", "val_feature_f1"):
        assert 0 <= float(metrics[0][name]) <= 1


def test_ablations_of_remop_are_flags():
    recipe = imported("remop")
    config = parsed(recipe, "--simplex-weight", 0, "--similarity", "cosine")
    model = recipe.build_model(config, "supervised+remop", split_of())
    (plug_in,) = model.plug_ins
    assert model.weights_of_losses["simplex"] == 0
    assert (plug_in.head.similarity, plug_in.head.mixture) == ("cosine", "logits")
    assert [*recipe.methods(parsed(recipe, "--no-alone"))] == ["fixmatch+remop"]
