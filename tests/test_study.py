"""Statistics over seeds: numbers derived by hand."""

import numpy as np
import pandas as pd
import pytest

from kerasfer.analysis.statistics import COLUMNS, optimism, paired, percent, summarize


def long_table(values, selection="last", setting="faces", metric="accuracy"):
    """Rows from method -> values of the seeds 0, 1, ...; None: no such run."""
    rows = [
        [setting, method, seed, "", selection, metric, value]
        for method, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
        if value is not None
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_mean_deviation_and_standard_error():
    # 0.1, 0.2, 0.6: mean 0.3; deviations -0.2, -0.1, 0.3, squares sum to 0.14, over 2
    # is 0.07; the error is the root of 0.07 / 3.
    table = summarize(long_table({"b": [0.1, 0.2, 0.6], "a": [0.5]}))
    assert [*table["method"]] == ["b", "a"]  # as they came, not by the alphabet
    first, second = table.iloc[0], table.iloc[1]
    assert first["runs"] == 3
    np.testing.assert_allclose(first["mean"], 0.3)
    np.testing.assert_allclose(first["std"], np.sqrt(0.07))
    np.testing.assert_allclose(first["se"], np.sqrt(0.07 / 3))
    assert second["runs"] == 1 and second["mean"] == 0.5
    assert np.isnan(second["std"]) and np.isnan(second["se"])


def test_a_number_that_is_not_there_is_no_zero():
    table = summarize(long_table({"a": [0.2, np.nan, 0.4]})).iloc[0]
    assert table["runs"] == 2
    np.testing.assert_allclose(table["mean"], 0.3)
    alone = summarize(long_table({"a": [np.nan]})).iloc[0]
    assert alone["runs"] == 0 and np.isnan(alone["mean"]) and np.isnan(alone["se"])


def test_settings_selections_and_metrics_are_apart():
    parts = [
        long_table({"a": [0.1]}),
        long_table({"a": [0.2]}, selection="best_test"),
        long_table({"a": [0.3]}, setting="other"),
        long_table({"a": [0.4]}, metric="f1"),
    ]
    table = summarize(pd.concat(parts))
    np.testing.assert_allclose(sorted(table["mean"]), [0.1, 0.2, 0.3, 0.4])


def test_paired_differences_are_of_the_same_seed():
    # The seeds differ by 0.4, the methods by 0.1 and 0.2 on each: the mean is 0.15, its
    # error sqrt(2 * 0.05^2 / 1) / sqrt(2) = 0.05.
    long = long_table({"base": [0.1, 0.5], "ours": [0.2, 0.7]})
    row = paired(long, "base").iloc[0]
    assert (row["method"], row["reference"], row["pairs"]) == ("ours", "base", 2)
    np.testing.assert_allclose([row["difference"], row["se"]], [0.15, 0.05])


def test_seeds_that_one_of_the_two_lacks_are_left_out():
    long = long_table(
        {"base": [0.1, 0.5], "ours": [None, 0.7], "no": [None, None, 0.3]}
    )
    table = paired(long, "base")
    assert [*table["method"]] == ["ours"]
    assert table["pairs"].iloc[0] == 1 and np.isnan(table["se"].iloc[0])


def test_all_pairs_the_later_against_the_earlier():
    table = paired(long_table({"a": [0.1], "b": [0.2], "c": [0.4]}))
    found = {
        (r["method"], r["reference"]): r["difference"] for _, r in table.iterrows()
    }
    assert found == pytest.approx({("b", "a"): 0.1, ("c", "a"): 0.3, ("c", "b"): 0.2})


def test_optimism_is_best_on_test_less_best_on_validation_run_by_run():
    validation = long_table({"a": [0.5, 0.6]}, selection="best_validation")
    test = long_table({"a": [0.6, 0.62]}, selection="best_test")
    row = optimism(pd.concat([validation, test])).iloc[0]
    # 0.10 and 0.02: mean 0.06, deviation sqrt(2 * 0.04^2), over the root of 2: 0.04.
    np.testing.assert_allclose([row["gap"], row["se"]], [0.06, 0.04])
    assert row["runs"] == 2
    assert len(optimism(validation)) == 0


def test_shares_as_text():
    assert percent(0.3351) == "33.5"
    assert percent(0.3351, 0.0149) == "33.5 ± 1.5"
    assert percent(33.51, float("nan"), scale=1) == "33.5"
    assert percent(float("nan")) == "-"


def test_errors():
    long = long_table({"a": [0.1]})
    with pytest.raises(
        ValueError, match="there twice: setting faces, method a, seed 0"
    ):
        summarize(pd.concat([long, long]))
    with pytest.raises(ValueError, match="lacks the columns seed, fold"):
        paired(long.drop(columns=["seed", "fold"]))
    with pytest.raises(ValueError, match="must be one of a. Received: b"):
        paired(long, "b")
