"""The recipe of the baselines, as a user runs it, at toy size."""

import csv

import pytest
import yaml
from support.quick_recipes import split_of
from support.recipe_runs import imported, parsed, run

from kerasfer.experiments import by_name

BASELINES = imported("baselines")


@pytest.mark.parametrize("name", by_name.SCHEMES)
def test_every_baseline_is_built_with_flags(name):
    flags = ["--scheme", name, "--unlabeled-weight", 0.5, "--threshold", 0.7]
    config = parsed(BASELINES, *flags, "--image-size", 32)
    model = BASELINES.build_model(config, name, split_of())
    if "unlabeled" in model.weights_of_losses:
        assert model.weights_of_losses["unlabeled"] == 0.5
    assert model.threshold in (None, 0.7)


def test_plug_ins_are_added_to_each_scheme():
    flags = ["--scheme", "fixmatch", "uda+inpl", "--plugin", "abc", "adsh"]
    config = parsed(BASELINES, *flags)
    methods = BASELINES.methods(config)
    assert methods == ["fixmatch+abc+adsh", "uda+inpl+abc+adsh"]
    model = BASELINES.build_model(config, methods[1], split_of())
    assert [plug_in.name for plug_in in model.plug_ins] == ["inpl", "abc", "adsh"]


def test_baselines_in_one_table(manifest, tmp_path):
    quick = yaml.safe_load((manifest.parent / "quick.yaml").read_text())
    del quick["beside"]
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(quick))
    options = ["--manifest", manifest, "--config", tmp_path / "quick.yaml"]
    options += ["--seeds", 0, "--out", tmp_path / "runs"]
    names = ["flexmatch", "rul", "fixmatch+adsh", "supervised+abc"]
    code, output = run(*options, "--scheme", *names, recipe="baselines")
    assert code == 0, output
    (folder,) = tmp_path.glob("runs/baselines/*")
    rows = list(csv.DictReader((folder / "runs.csv").open()))
    assert [row["method"] for row in rows] == names
