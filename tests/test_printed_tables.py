"""Tables for papers: what is bold, what is underlined, and LaTeX that holds."""

import re

import numpy as np
import pandas as pd
import pytest

from kerasfer.experiments.comparison.printed import (
    Printed,
    f1_by_class,
    printed_tables,
    write_tables,
)
from kerasfer.experiments.comparison.runs import Compared

VALUES = {
    "accuracy": {
        "super_vised": [0.50, 0.52],
        "fixmatch": [0.60, 0.64],  # 62.0, standard error 2.0
        "a & b": [0.601, 0.601],
        "one": [0.10],
    },
    "macro F1": {"super_vised": [0.4, np.nan], "fixmatch": [np.nan]},
}
TABLE = Printed("Test set, 50% of faces", "tab:scores", VALUES)


def test_the_summary_is_means_deviations_and_marks():
    table = TABLE.summary().set_index(["score", "method"])
    assert table.loc["accuracy", "mean"].round(4).tolist() == [0.51, 0.62, 0.601, 0.1]
    np.testing.assert_allclose(
        table.loc[("accuracy", "fixmatch"), "std"], 0.0282843, 1e-5
    )
    assert table.loc["accuracy", "best"].tolist() == [False, True, False, False]
    # 60.1 is above 62.0 - 2.0, 51.0 is not.
    assert table.loc["accuracy", "near"].tolist() == [False, False, True, False]
    assert table.loc["accuracy", "runs"].tolist() == [2, 2, 2, 1]
    # One method alone is not the best of anything.
    assert not table.loc["macro F1", "best"].any() and len(table.loc["macro F1"]) == 1


def test_markdown():
    lines = TABLE.markdown().splitlines()
    assert lines[0].endswith("in italics: within a standard error of it.")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]
    assert rows[0] == ["method", "accuracy", "macro F1"]
    assert rows[2:] == [
        ["super_vised", "51.0 ± 1.4", "40.0"],
        ["fixmatch", "**62.0 ± 2.8**", "-"],
        ["a & b", "_60.1 ± 0.0_", "-"],
        ["one", "10.0", "-"],
    ]


def test_latex():
    text = TABLE.latex()
    for part in (
        r"\caption{Test set, 50\% of faces, in \%. Best in bold; underlined: within",
        r"\label{tab:scores}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"super\_vised & 51.0 $\pm$ 1.4 & 40.0 \\",
        r"fixmatch & \textbf{62.0 $\pm$ 2.8} & - \\",
        r"a \& b & \underline{60.1 $\pm$ 0.0} & - \\",
    ):
        assert part in text, text
    assert text.count(r"\begin") == text.count(r"\end") == 2
    # No sign that LaTeX would take for a command stands bare.
    bare = re.sub(r"\\[%&_#${}]", "", text).replace(r"$\pm$", "")
    assert not re.search(r"[%#$_]", bare)
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == 2, line


@pytest.mark.parametrize("name", ["$5$", "a^b~c", r"back\slash", "{x}", "100%"])
def test_names_of_any_letters(name):
    text = Printed(f"Of {name}", "tab:x", {name: {name: [0.5], "b": [0.4]}}).latex()
    braces = re.sub(r"\\[{}]", "", text)
    assert braces.count("{") == braces.count("}")
    assert re.sub(r"\\[\\$%^~{}&_#]", "", text).replace(r"$\pm$", "").count("$") == 0


def test_f1_by_class_is_scikit_learns():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 4, (2, 60))
    confusion = np.zeros((5, 5), int)
    np.add.at(confusion, (truth, said), 1)
    expected = f1_score(truth, said, average=None)
    np.testing.assert_allclose(f1_by_class(confusion)[:4], expected)
    assert np.isnan(f1_by_class(confusion)[4])


def test_the_csv_is_a_row_a_number():
    table = TABLE.summary()
    assert [*table] == ["method", "score", "mean", "std", "runs", "best", "near"]
    assert pd.isna(table["std"]).sum() == 2


class Run:
    """As much of a finished run as a table reads."""

    def __init__(self, accuracy, protocol="p", manifest=None):
        self.config = {"protocol": protocol, "manifest": manifest}
        self.result = {"accuracy": accuracy, "outputs": ["a"]}


def compared(*runs):
    return [Compared(method, run) for method, run in runs]


def test_other_data_are_another_table_and_folds_are_one():
    runs = compared(
        ("a", Run(0.5, manifest="x/rafdb/faces.csv")),
        ("a", Run(0.9, manifest="y/rafdb/faces.csv")),
        ("a", Run(0.2, "folds:k=2,fold=0")),
        ("a", Run(0.4, "folds:k=2,fold=1")),
    )
    tables = printed_tables(runs)
    means = [float(t.summary()["mean"].iloc[0]) for t in tables]
    assert means == pytest.approx([0.5, 0.9, 0.3])
    assert len({t.label for t in tables}) == 3
    assert "folds:k=2 (all folds): mean and deviation over 2 runs" in tables[2].caption


def test_a_score_that_no_run_has_is_left_out(tmp_path):
    assert printed_tables(compared(("a", Run(float("nan"))))) == []
    with pytest.raises(ValueError, match="No run has a score"):
        write_tables(tmp_path, compared(("a", Run(None))))
    assert not [*tmp_path.iterdir()]


def test_a_bar_in_a_name_does_not_end_a_cell():
    lines = Printed("x", "y", {"a|b": {"c|d": [0.5]}}).markdown().splitlines()
    assert r"| c\|d" in lines[-1] and r"a\|b" in lines[2]
