"""Rules that pick the tested epoch, and the flags of precision, by hand."""

import csv

import keras
import pytest
import tensorflow as tf
from support.recipe_runs import imported, parsed, run

import kerasfer
from kerasfer.experiments import selections
from kerasfer.experiments import training as training_flags
from kerasfer.experiments.network import build_classifier


def measured(rules, values, last_epochs=2):
    """Test scores as a run of as many epochs measures them."""
    left = iter(values)
    scores = selections.TestScores(rules, len(values), last_epochs, lambda: next(left))
    callback = scores.callback()
    for epoch in range(len(values)):
        callback.on_epoch_end(epoch, {})
    return scores


def accuracies(*values):
    return [{"accuracy": value, "f1": 1 - value} for value in values]


def test_every_rule():
    rules = ("last", "mean_last", "best_test")
    found = measured(rules, accuracies(0.5, 0.75, 0.25, 0.5)).selected("accuracy")
    assert found["last"] == {"epoch": 4, "accuracy": 0.5, "f1": 0.5}
    assert found["mean_last"] == {"epochs": 2, "accuracy": 0.375, "f1": 0.625}
    # The other score is that of the epoch in which the first is best, not its own best.
    assert found["best_test"] == {"epoch": 2, "accuracy": 0.75, "f1": 0.25}


def test_the_first_of_equal_epochs_is_the_best():
    scores = measured(("best_test",), accuracies(0.5, 0.75, 0.75))
    assert scores.selected("accuracy")["best_test"]["epoch"] == 2


@pytest.mark.parametrize(
    ("rules", "read"),
    [
        ((), []),
        (("last",), [4]),
        (("mean_last",), [3, 4]),
        (("best_test",), [1, 2, 3, 4]),
    ],
)
def test_the_test_part_is_read_no_more_than_a_rule_needs(rules, read):
    asked = []
    scores = selections.TestScores(rules, 4, 2, lambda: {"accuracy": len(asked)})
    for epoch in range(4):
        scores.callback().on_epoch_end(epoch, {})
        asked.append(epoch)
    assert sorted(scores.by_epoch) == read


def test_a_run_shorter_than_the_mean_and_a_score_that_is_not_there():
    values = [{"f1": 0.5, "f1_AU43": None}, {"f1": 0.25, "f1_AU43": None}]
    found = measured(("mean_last",), values, last_epochs=5).selected("f1")
    assert found["mean_last"] == {"epochs": 2, "f1": 0.375, "f1_AU43": None}


def test_written_once_and_only_if_something_was_measured(tmp_path):
    measured((), accuracies(0.5)).write(tmp_path / "none.csv")
    assert not list(tmp_path.iterdir())
    measured(("best_test",), accuracies(0.75)).write(tmp_path / "some.csv")
    with (tmp_path / "some.csv").open() as file:
        row = {"epoch": "1", "accuracy": "0.75", "f1": "0.25"}
        assert [*csv.DictReader(file)] == [row]


def test_a_run_that_goes_on_forgets_a_corrected_data_set(tmp_path):
    scored = {"accuracy": 0.5, "ckplus_accuracy": 0.25, "ckplus_mean_class_accuracy": 0}
    before = selections.TestScores(("best_test",), 2, 2, lambda: scored, {"ckplus": 1})
    before.callback().on_epoch_end(0, {})
    state = before.get_state()
    rules = ("mean_last", "best_test")
    same = selections.TestScores(rules, 2, 2, lambda: scored, {"ckplus": 1})
    same.set_state(state)
    assert same.by_epoch == {1: scored}
    other = selections.TestScores(rules, 2, 2, lambda: scored, {"ckplus": 2})
    other.set_state(state)
    assert other.by_epoch == {1: {"accuracy": 0.5}}
    other.callback().on_epoch_end(1, {})
    found = other.selected("accuracy")
    assert found["mean_last"]["accuracy"] == 0.5
    assert found["mean_last"]["ckplus_accuracy"] is None  # of one epoch of two
    other.write(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as file:
        rows = [row["ckplus_accuracy"] for row in csv.DictReader(file)]
    assert rows == ["", "0.25"]


@pytest.mark.parametrize("precision", ["off", "bfloat16", "float16"])
def test_the_flag_sets_what_is_built(precision):
    recipe = imported("remop")
    config = parsed(recipe, "--mixed-precision", precision, "--jit-compile")
    try:
        training_flags.set_precision(config.training)
        classifier = build_classifier(config.network, (16, 16, 3), 3)
        model = kerasfer.schemes.Supervised(classifier)
        training_flags.compile_model(model, config.training, [])
    finally:
        keras.mixed_precision.set_global_policy("float32")
    policy = "float32" if precision == "off" else f"mixed_{precision}"
    assert model.dtype_policy.name == policy and model.jit_compile
    for output in classifier.output.values():
        assert output.dtype in ("float32", tf.float32)
    scaled = isinstance(
        model.optimizer, keras.mixed_precision.LossScaleOptimizer
    )  # or the losses of float16 would round to 0
    assert scaled == (precision == "float16")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "flags"),
    [
        ("remop", ["--no-alone"]),
        ("large_margin_au", ["--protocol", "random:labels=60", "--beside"]),
        ("baselines", ["--scheme", "fixmatch+abc+inpl"]),
    ],
)
def test_recipes_in_float16(tmp_path, recipe, flags):
    """Without XLA, which takes minutes to compile a network for a CPU; the contract
    has it, on tiny ones."""
    options = ["--rendered-faces", 240, "--protocol", "balanced:labels=24"]
    options += ["--image-size", 16, "--batch-size", 4, "--epochs", 1]
    options += ["--steps-per-epoch", 2, "--mixed-precision", "float16"]
    code, output = run(*options, *flags, "--out", tmp_path, recipe=recipe)
    assert code == 0, output
