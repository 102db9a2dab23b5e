"""Tables of a study: CSV, Markdown and LaTeX."""

from kerasfer.analysis.statistics import (
    BEST_TEST,
    BEST_VALIDATION,
    SELECTIONS,
    optimism,
    paired,
    percent,
    summarize,
)
from kerasfer.experiments.below_supervised import below_supervised
from kerasfer.experiments.floors import LARGEST, of_runs
from kerasfer.safe_write import atomic_write

_TITLES = {
    BEST_VALIDATION: "best on validation",
    "last": "last epoch",
    "mean_last": "mean of last epochs",
    BEST_TEST: "best on test (optimistic)",
}


def write_tables(folder, study, entries, long):
    """Writes tables.md, tables.tex, summary.csv and paired.csv; gives the Markdown."""
    if long.empty:
        return "No run is finished."
    summary, pairs = summarize(of_runs(long)), paired(of_runs(long))
    for name, table in (("summary", summary), ("paired", pairs)):
        with atomic_write(folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6f")
    markdown, latex = [f"# {study.content['title']}"], [f"% {study.content['title']}"]
    for setting, metric, name in shown_tables(entries):
        of_table = (long["setting"] == setting) & (long["metric"] == metric)
        if of_table.any():
            table = side_by_side(long[of_table], entries, study.scale)
            markdown += [f"## {setting}: {name}, {study.unit}", as_markdown(table)]
            latex += [f"% {setting}: {name}, in {study.unit}", as_latex(table)]
    if study.scale == 100:  # shares
        markdown += below_supervised(of_runs(long))
    text = "\n\n".join(markdown) + "\n"
    for suffix, content in (("md", text), ("tex", "\n\n".join(latex) + "\n")):
        with atomic_write(folder / f"tables.{suffix}") as temporary:
            temporary.write_text(content)
    return text


def shown_tables(entries):
    """(setting, metric, its title) of each table, in the order of the study file."""
    found = {}
    for entry in entries:
        for metric, name in entry["metrics"].items():
            found[entry["setting"], metric] = name
    return [(*key, name) for key, name in found.items()]


def side_by_side(long, entries, scale):
    """Rows are the largest class and methods; columns the rules that pick the epoch,
    and what the paired difference to the first method is."""
    import pandas as pd

    present = set(long["method"])
    methods = [m for m in dict.fromkeys(e["method"] for e in entries) if m in present]
    first = methods[0]
    methods = [LARGEST, *methods] if LARGEST in present else methods
    honest = long[long["selection"] == BEST_VALIDATION]
    summary, gaps = summarize(long), optimism(long).set_index("method")
    pairs = paired(honest, first).set_index("method")
    rows = []
    for method in methods:
        rules = summary[summary["method"] == method].set_index("selection")
        row = {"method": method, "runs": int(rules["runs"].max())}
        for rule in [rule for rule in SELECTIONS if rule in rules.index]:
            cell = rules.loc[rule]
            row[_TITLES[rule]] = percent(cell["mean"], cell["std"], scale)
            if rule == BEST_VALIDATION:
                row["standard error"] = percent(cell["se"], scale=scale)
        if method in gaps.index:
            row["optimism"] = signed(*gaps.loc[method, ["gap", "se"]], scale)
        if method in pairs.index:
            difference = signed(*pairs.loc[method, ["difference", "se"]], scale)
            row[f"difference to {first}, paired"] = difference
        rows.append(row)
    return pd.DataFrame(rows).fillna("-")


def signed(difference, error=float("nan"), scale=100):
    """A difference with its error: "+1.3 (se 0.5)"; "-" of NaN."""
    if difference != difference:
        return "-"
    text = f"{scale * difference:+.1f}"
    return text if error != error else f"{text} (se {scale * error:.1f})"


def as_markdown(table):
    return table.to_markdown(index=False, disable_numparse=True)


def as_latex(table):
    from tabulate import tabulate

    text = tabulate(
        table, headers="keys", tablefmt="latex_booktabs", showindex=False,
        disable_numparse=True,
    )  # fmt: skip
    return text.replace("±", r"$\pm$")
