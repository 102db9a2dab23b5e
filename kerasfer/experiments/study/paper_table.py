"""A paper's numbers and ours side by side, and what part of the protocol differs."""

from kerasfer.analysis.statistics import BEST_TEST, BEST_VALIDATION, percent, summarize
from kerasfer.experiments.study.published import differences
from kerasfer.experiments.study.tables import (
    as_latex,
    as_markdown,
    shown_tables,
    signed,
)
from kerasfer.safe_write import atomic_write


def paper_tables(folder, study, entries, long):
    """Writes paper_table.csv, .md and .tex; gives the Markdown.

    Args:
        folder: of the study.
        study: the study file.
        entries: of its plan.
        long: results of its runs, see `kerasfer.analysis.statistics`.
    """
    import pandas as pd

    tables = []
    markdown = [f"# {study.content['title']}", _published_protocol(study)]
    latex = [f"% {study.content['title']}"]
    for setting, metric, name in shown_tables(entries):
        table = _beside(study, setting, metric, long)
        markdown += [f"## {setting}: {name}, {study.unit}", as_markdown(table)]
        latex += [f"% {setting}: {name}, in {study.unit}", as_latex(table)]
        tables.append(table.assign(setting=setting, metric=name))
    lines = _differing(study, entries, long)
    markdown += ["## What differs from the published protocol"]
    markdown += ["\n".join(f"* {line}" for line in lines)]
    latex += ["% Differs: " + line for line in lines]
    text = "\n\n".join(markdown) + "\n"
    for suffix, content in (("md", text), ("tex", "\n\n".join(latex) + "\n")):
        with atomic_write(folder / f"paper_table.{suffix}") as temporary:
            temporary.write_text(content)
    with atomic_write(folder / "paper_table.csv") as temporary:
        pd.concat(tables).to_csv(temporary, index=False)
    return text


def _published_protocol(study):
    return f"Published: {study.content.get('source', 'protocol not noted')}."


def _beside(study, setting, metric, long):
    """Rows are the study file's methods, whether they were run or not."""
    import pandas as pd

    of_table = (long["setting"] == setting) & (long["metric"] == metric)
    ours = summarize(long[of_table]).set_index(["method", "selection"])
    scale, rows = study.scale, []
    for method in study.methods:
        if setting not in study.settings_of(method):
            continue
        published = study.published_values(setting, method).get(metric)
        value, _, text = published or (None, None, "-")
        row = {"method": method, "published": text}
        for rule, title in (
            (BEST_VALIDATION, ""),
            (BEST_TEST, " by best test epoch (optimistic)"),
        ):
            found = (method, rule) in ours.index
            mean = ours.loc[(method, rule), "mean"] if found else float("nan")
            deviation = ours.loc[(method, rule), "std"] if found else None
            row[f"ours{title}"] = percent(mean, deviation, scale)
            less = mean - value if published else float("nan")
            row[f"less published{title}"] = signed(less, scale=scale)
        row["runs"] = int(ours.loc[method, "runs"].max()) if method in ours.index else 0
        rows.append(row)
    return pd.DataFrame(rows)


def _differing(study, entries, long):
    lines = list(study.differs)
    lines += [
        "ours: the best epoch on validation faces cut from the training set; the test "
        "set is read once, but for the column that says otherwise"
    ]
    asked = sorted(study.seeds)
    seeds = {
        method: sorted(int(s) for s in set(part["seed"]))
        for method, part in long.groupby("method", sort=False)
    }
    for found in sorted({tuple(s) for s in seeds.values()}):
        if list(found) != asked:
            methods = ", ".join(m for m, s in seeds.items() if tuple(s) == found)
            lines.append(f"seeds: {_list(found)}, {_list(asked)} asked for ({methods})")
    absent = [method for method in study.methods if method not in seeds]
    if absent:
        lines.append(f"not run: {', '.join(absent)}")
    return lines + differences(entries)


def _list(numbers):
    return ", ".join(map(str, numbers))
