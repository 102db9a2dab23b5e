"""Results of runs as tables and as files of results."""

import math

from kerasfer.experiments.below_supervised import below_supervised
from kerasfer.experiments.plots import at_worst_a_warning

_FACTS = {
    "method", "seed", "fold", "labels", "epoch", "epochs", "selected_on", "minutes",
    "images", "selections", "strength",
}  # fmt: skip


def report(folder, setting, results, task):
    """Prints the task's table; writes it (table.csv, .md), runs.csv (a row a run),
    results.csv (a row a number, `analysis.statistics`) and the task's figures."""
    import pandas as pd

    from kerasfer.safe_write import atomic_write

    table = task.summarize(results)
    text = table.to_markdown(index=False)
    with atomic_write(folder / "table.csv") as temporary:
        table.to_csv(temporary, index=False)
    with atomic_write(folder / "table.md") as temporary:
        temporary.write_text(text + "\n")
    runs = pd.DataFrame(results)
    numbers = [n for n in runs if not isinstance(runs[n].iloc[0], (list, dict))]
    with atomic_write(folder / "runs.csv") as temporary:
        runs[numbers].to_csv(temporary, index=False, float_format="%.4f")
    long = long_table({"setting": setting, **result} for result in results)
    with atomic_write(folder / "results.csv") as temporary:
        long.to_csv(temporary, index=False, float_format="%.6f")
    with at_worst_a_warning("a figure of the table"):
        task.draw(folder, results)
    print(f"\n{text}\n")
    print("The test set was read once, by the weights of the best validation epoch.")
    for sentence in below_supervised(long):
        print(f"warning: {sentence}")
    if len(set(long["selection"])) > 1:
        print("What other rules would report is in results.csv.")
    print(f"Folder: {folder}")


def long_table(results):
    """The numbers of results, one a row: see `kerasfer.analysis.statistics`.

    Args:
        results: dicts with `setting`, `fold` and what is in a run's result.json.
    """
    import pandas as pd

    from kerasfer.analysis.statistics import BEST_VALIDATION, COLUMNS

    rows = []
    for result in results:
        run = [result[name] for name in ("setting", "method", "seed", "fold")]
        selections = {BEST_VALIDATION: result, **result.get("selections", {})}
        for rule, scores in selections.items():
            rows += [[*run, rule, *score] for score in _scores(scores)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _scores(result):
    """(name, value) of each test score; a score that is not there (None) is NaN."""
    for name, value in result.items():
        is_score = value is None or isinstance(value, float)
        if is_score and name not in _FACTS and not name.startswith("val_"):
            yield name, math.nan if value is None else value


def by_method(results):
    """(method, data frame of its runs), in the order in which methods appear."""
    import pandas as pd

    yield from pd.DataFrame(results).groupby("method", sort=False)


def heading(method, runs):
    """The first columns of a row: the method, and how often it was run."""
    seeds = runs["seed"].nunique()
    row = {"method": method, "seeds": seeds}
    return row if len(runs) == seeds else {**row, "folds": len(runs) // seeds}


def mean_and_deviation(values):
    """Of shares over runs: "33.5 ± 1.1", or the one value."""
    from kerasfer.analysis.statistics import percent

    return percent(values.mean(), values.std())
