"""The recipe of Ada-CM, as a user runs it, at toy size."""

import csv

import pytest
from support.quick_recipes import split_of
from support.recipe_runs import imported, parsed, run


def test_ada_cm_logs_its_thresholds_and_subsets(manifest, tmp_path):
    quick = manifest.parent / "quick.yaml"
    options = ["--manifest", manifest, "--config", quick, "--out", tmp_path]
    options += ["--seeds", "3", "--beside", "fixmatch", "--floor", "0.4"]
    code, output = run(*options, "--initial", "0.5", recipe="ada_cm")
    assert code == 0, output
    (folder,) = tmp_path.glob("ada_cm/*")
    metrics = list(csv.DictReader((folder / "seed3/ada_cm/metrics.csv").open()))
    assert [float(metrics[0][f"margin_{k}"]) for k in range(3)] == [0.5] * 3
    assert all(0 <= float(row["mask_rate"]) <= 1 for row in metrics)
    sizes = list(csv.DictReader((folder / "seed3/ada_cm/pseudo_labels.csv").open()))
    assert {row["class"] for row in sizes} == {"anger", "fear", "neutral"}
    first = [
        float(r["passed"]) + float(r["unsure"]) for r in sizes if r["epoch"] == "1"
    ]
    assert sum(first) == 2 * 4  # two steps of four faces: subsets I and II
    results = list(csv.DictReader((folder / "runs.csv").open()))
    assert [row["method"] for row in results] == ["fixmatch", "ada_cm"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [  # Table 1 of Ada-CM
        (["--contrastive-weight", 0], {"contrastive": 0.0, "unlabeled": 1.0}),
        (["--unlabeled-weight", 0], {"contrastive": 0.1, "unlabeled": 0.0}),
    ],
)
def test_ablations_of_ada_cm_are_flags(flags, expected):
    recipe = imported("ada_cm")
    config = parsed(recipe, *flags, "--growth", 2, "--convention", "paper")
    model = recipe.build_model(config, "ada_cm", split_of())
    assert {name: model.weights_of_losses[name] for name in expected} == expected
    assert (model.margin.growth, model.margin.floor) == (2, 0.0)
    config = parsed(recipe, "--beside", "fixmatch", "--threshold", 0.5)
    assert recipe.build_model(config, "fixmatch", split_of()).threshold == 0.5
