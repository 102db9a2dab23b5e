"""Results of runs as a table and as a file of results."""


def report(folder, results, task):
    """Prints the table; writes table.csv, table.md, results.csv (a row a run) and the
    task's pictures."""
    import pandas as pd

    from kerasfer.safe_write import written_aside

    table = task.summarize(results)
    text = table.to_markdown(index=False)
    with written_aside(folder / "table.csv") as aside:
        table.to_csv(aside, index=False)
    with written_aside(folder / "table.md") as aside:
        aside.write_text(text + "\n")
    runs = pd.DataFrame(results)
    numbers = [name for name in runs if not isinstance(runs[name].iloc[0], list)]
    with written_aside(folder / "results.csv") as aside:
        runs[numbers].to_csv(aside, index=False, float_format="%.4f")
    task.draw(folder, results)
    print(f"\n{text}\n")
    print("The test part was read once, by the weights of the best validation epoch.")
    print(f"Folder: {folder}")


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
    """Of percentages over runs: "33.5 ± 1.1", or the one value."""
    if len(values) == 1:
        return f"{values.iloc[0]:.1f}"
    return f"{values.mean():.1f} ± {values.std():.1f}"
