"""Statistics of runs: means over seeds, paired differences, the optimism of a rule.

All work on the *long* table, a row a number:

    setting, method, seed, fold, selection, metric, value

`setting` is the data and the protocol. `selection` is the rule that picked the epoch
which was tested: "best_validation", "last", "mean_last" (the mean over the last
epochs) or "best_test". The last one chooses by the very images it reports on; it is
what many papers print, and too high by construction.
"""

import numpy as np
import pandas as pd

COLUMNS = ("setting", "method", "seed", "fold", "selection", "metric", "value")
BEST_VALIDATION, BEST_TEST = "best_validation", "best_test"
SELECTIONS = (BEST_VALIDATION, "last", "mean_last", BEST_TEST)
_RUN = ["setting", "method", "seed", "fold"]


def summarize(long: pd.DataFrame) -> pd.DataFrame:
    """Mean, deviation and standard error over the runs of a method.

    Args:
        long: data frame with the columns `COLUMNS`.

    Returns:
        Data frame with setting, method, selection, metric, `runs` (how many), `mean`,
        `std` (divided by runs - 1; NaN of one run) and `se` (std over the root of
        runs), in the order in which methods first appear. A value of NaN (a unit that
        no test face has) is left out, of runs too.

    Raises:
        ValueError: a column is missing, or a number is there twice.

    >>> long = pd.DataFrame([["faces", "supervised", seed, "", "last", "accuracy", x]
    ...                      for seed, x in enumerate([0.5, 0.75, 1.0])],
    ...                     columns=COLUMNS)
    >>> float(summarize(long)["mean"].iloc[0])
    0.75
    """
    _check(long)
    groups = long.groupby(["setting", "method", "selection", "metric"], sort=False)
    table = groups["value"].agg(["count", "mean", "std"]).reset_index()
    table = table.rename(columns={"count": "runs"})
    table["se"] = table["std"] / np.sqrt(table["runs"].where(table["runs"] > 0))
    return table


def paired(long: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Differences between methods on the same split, seed by seed.

    Two methods that share labelled faces, start and order differ by less noise than
    their means; the standard error is of the differences.

    Args:
        long: data frame with the columns `COLUMNS`.
        reference: name of the method to compare with; None compares all pairs, the
            later method with the earlier one.

    Returns:
        Data frame with setting, selection, metric, method, reference, `pairs` (how many
        seeds and folds both have), `difference` (method minus reference), `se` (NaN of
        one pair). Pairs of methods without a common seed are left out.

    Raises:
        ValueError: a column is missing, a number is there twice, or no method is called
            `reference`.
    """
    _check(long)
    methods = list(dict.fromkeys(long["method"]))
    if reference is not None and reference not in methods:
        raise ValueError(
            f"`reference` must be one of {', '.join(methods)}. Received: {reference}."
        )
    rows = []
    keys = ["setting", "selection", "metric"]
    for key, part in long.groupby(keys, sort=False):
        wide = part.pivot(index=["seed", "fold"], columns="method", values="value")
        for first, second in _pairs(methods, reference):
            if first not in wide or second not in wide:
                continue
            differences = (wide[second] - wide[first]).dropna()
            if len(differences):
                error = differences.std() / np.sqrt(len(differences))
                of = [second, first, len(differences), differences.mean(), error]
                rows.append([*key, *of])
    names = [*keys, "method", "reference", "pairs", "difference", "se"]
    return pd.DataFrame(rows, columns=names)


def optimism(long: pd.DataFrame) -> pd.DataFrame:
    """How much the best epoch on the test set flatters, against that on validation.

    Returns:
        Data frame with setting, method, metric, `runs`, `gap` (mean of best_test less
        best_validation, run by run) and `se`. Empty where no run has both.

    Raises:
        ValueError: a column is missing, or a number is there twice.
    """
    _check(long)
    index = [*_RUN, "metric"]
    wide = long.pivot(index=index, columns="selection", values="value")
    if not {BEST_TEST, BEST_VALIDATION} <= {*wide}:
        return pd.DataFrame(
            columns=["setting", "method", "metric", "runs", "gap", "se"]
        )
    gaps = (wide[BEST_TEST] - wide[BEST_VALIDATION]).dropna().rename("gap")
    groups = gaps.reset_index().groupby(["setting", "method", "metric"], sort=False)
    table = groups["gap"].agg(["count", "mean", "std"]).reset_index()
    table["se"] = table.pop("std") / np.sqrt(table["count"])
    return table.rename(columns={"count": "runs", "mean": "gap"})


def percent(mean: float, std: float | None = None, scale: float = 100) -> str:
    """A share as text in percent: "33.5 ± 1.1", "33.5" without a deviation, "-" of NaN.

    `scale` is 1 for what is no share.

    >>> percent(0.335, 0.0112)
    '33.5 ± 1.1'
    """
    if mean is None or np.isnan(mean):
        return "-"
    text = f"{scale * mean:.1f}"
    if std is None or np.isnan(std):
        return text
    return f"{text} ± {scale * std:.1f}"


def _pairs(methods, reference):
    if reference is not None:
        return [(reference, method) for method in methods if method != reference]
    return [(a, b) for i, a in enumerate(methods) for b in methods[i + 1 :]]


def _check(long):
    missing = [name for name in COLUMNS if name not in long]
    if missing:
        raise ValueError(
            f"The table of runs lacks the columns {', '.join(missing)}. Expected "
            f"{', '.join(COLUMNS)}."
        )
    twice = long.duplicated(list(COLUMNS[:-1]))
    if twice.any():
        row = long[twice].iloc[0]
        where = ", ".join(f"{name} {row[name]}" for name in COLUMNS[:-1])
        raise ValueError(f"A number is there twice: {where}.")
