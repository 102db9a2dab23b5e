"""Sentences on methods that lose against supervised training."""

import pandas as pd
import pytest

from kerasfer.analysis.statistics import COLUMNS
from kerasfer.experiments.below_supervised import below_supervised


def table(**scores):
    rows = [
        ["faces", method, seed, "", "best_validation", metric, value]
        for metric, methods in scores.items()
        for method, values in methods.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_a_loss_by_more_than_its_error():
    # Differences -0.02, -0.03, -0.04: mean -0.03, deviation 0.01, error 0.0058.
    long = table(accuracy={"supervised": [0.5, 0.6, 0.7], "ada_cm": [0.48, 0.57, 0.66]})
    (said,) = below_supervised(long)
    assert said.startswith(
        "ada_cm is below supervised training by 3.0 points of accuracy "
        "(se 0.6, 3 seeds; faces)."
    )


@pytest.mark.parametrize(
    "scores",
    [
        {"accuracy": {"supervised": [0.5, 0.6], "ada_cm": [0.52, 0.6]}},
        # -0.04 and +0.02: mean -0.01, error 0.03.
        {"accuracy": {"supervised": [0.5, 0.6], "ada_cm": [0.46, 0.62]}},
        {"loss": {"supervised": [0.5], "ada_cm": [0.4]}},  # no score of the table
        {"accuracy": {"mixmatch": [0.5], "ada_cm": [0.4]}},  # no supervised row
        {"accuracy": {"supervised": [0.5, 0.6]}},
    ],
    ids=["ahead", "within its error", "another number", "no base", "alone"],
)
def test_what_is_no_loss(scores):
    assert below_supervised(table(**scores)) == []


def test_one_seed_is_said_and_each_score_has_its_sentence():
    long = table(
        accuracy={"supervised": [0.5], "remop": [0.4]},
        mean_class_accuracy={"supervised": [0.5], "remop": [0.6]},
        f1={"supervised": [0.5], "remop": [0.49]},
    )
    said = below_supervised(long)
    assert [text.partition(" (")[0] for text in said] == [
        "remop is below supervised training by 10.0 points of accuracy",
        "remop is below supervised training by 1.0 points of F1",
    ]
    assert all("one seed; faces" in text for text in said)


def test_other_rules_of_the_epoch_are_not_looked_at():
    long = table(accuracy={"supervised": [0.5], "remop": [0.4]})
    assert below_supervised(long.assign(selection="best_test")) == []
