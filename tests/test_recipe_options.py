"""A recipe's options are those of its scheme, with the scheme's own defaults."""

import dataclasses
import inspect

import pytest
from support.recipe_runs import imported

import kerasfer
from kerasfer.experiments import by_name
from kerasfer.experiments.margin import Margin

CASES = [
    ("margin_mix", imported("margin_mix").Options, "schemes.MarginMix"),
    ("ada_cm", imported("ada_cm").Options, "schemes.AdaCM"),
    ("remop", imported("remop").Options, "plug_ins.ReMoP"),
]


def _parameters(name):
    folder, part = name.split(".")
    return inspect.signature(getattr(getattr(kerasfer, folder), part)).parameters


@pytest.mark.parametrize(("recipe", "options", "name"), CASES)
def test_options_have_the_defaults_of_their_class(recipe, options, name):
    parameters = _parameters(name)
    for field in dataclasses.fields(options):
        assert field.default == parameters[field.name].default, field.name


@pytest.mark.parametrize(("recipe", "options", "name"), CASES)
def test_no_option_of_the_class_is_left_out(recipe, options, name):
    own = {
        p.name
        for p in _parameters(name).values()
        if p.default is not p.empty and p.name != "unlabeled_factor"
    }
    assert own == {field.name for field in dataclasses.fields(options)}


def test_weights_are_those_of_the_classes():
    weights = kerasfer.schemes.MarginMix.loss_weights
    config = imported("margin_mix").Config()
    assert config.unlabeled_weight == weights["unlabeled"]
    assert config.margin_weight == weights["margin"]
    weights = kerasfer.schemes.AdaCM.loss_weights
    config = imported("ada_cm").Config()
    assert config.supervised_weight == weights["supervised"]
    assert config.unlabeled_weight == weights["unlabeled"]
    assert config.contrastive_weight == weights["contrastive"]
    weights = kerasfer.plug_ins.ReMoP.loss_weights
    config = imported("remop").Config()
    assert config.center_weight == weights["center"] == weights["unlabeled_center"]
    assert config.simplex_weight == weights["simplex"]


def test_mixup_has_the_default_of_the_data():
    of_data = inspect.signature(kerasfer.data.training_dataset).parameters
    assert imported("margin_mix").Config().mixup_alpha == of_data["mixup_alpha"].default


def test_margins_have_the_defaults_of_their_scheme():
    parameters = _parameters("schemes.LargeMargin")
    for name in ("final_weight", "centroid_rate", "pair_weight", "squared"):
        assert getattr(Margin(), name) == parameters[name].default
    of_units = imported("large_margin_au").Config()
    parameters = _parameters("schemes.PseudoEmotion")
    assert of_units.margin.final_weight == parameters["final_weight"].default
    for name in ("table", "norm", "lowest_score"):
        assert getattr(of_units, name) == parameters[name].default


@pytest.mark.parametrize(
    "recipe", ["margin_mix", "ada_cm", "remop", "large_margin", "best"]
)
def test_the_defaults_pass_the_check(recipe):
    module = imported(recipe)
    module.RECIPE.check(module.Config())


@pytest.mark.parametrize("table", ["emfacs", "facs", "du"])
def test_the_tables_of_emotions_pass_the_check(table):
    module = imported("large_margin_au")
    module.RECIPE.check(module.Config(table=table, beside=("one_per_au",)))


def test_every_scheme_passes_the_check():
    module = imported("baselines")
    module.RECIPE.check(module.Config(scheme=tuple(by_name.SCHEMES)))


def test_a_later_row_is_checked_before_the_first_is_trained():
    module = imported("ada_cm")
    options = dataclasses.replace(module.Config().ada_cm, growth=0.5)
    with pytest.raises(ValueError, match="growth > 1. Received"):
        module.RECIPE.check(module.Config(ada_cm=options))
