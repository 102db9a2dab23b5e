"""Tables for papers and slides: LaTeX with booktabs, Markdown, CSV."""

import dataclasses
import pathlib
import re

import numpy as np
import pandas as pd

from kerasfer.analysis.statistics import percent
from kerasfer.safe_write import atomic_write

_SCORES = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "mean class accuracy",
    "macro_f1": "macro F1",
    "f1_small": "mean F1, 7 units",
    "f1": "mean F1, all units",
    "fitted_f1": "mean F1, fitted thresholds",
}
# Commands around a cell, in the form of pandas' styles.
_COMMANDS = {"best": "textbf:--rwrap", "near": "underline:--rwrap", "": ""}
_SPECIAL = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


@dataclasses.dataclass(frozen=True)
class Printed:
    r"""A table: methods, columns, and of each the values over runs, as shares.

    Attributes:
        caption: without a word on how it is marked.
        label: for LaTeX's `\ref`.
        values: column -> method -> values, one a run.
    """

    caption: str
    label: str
    values: dict

    def summary(self):
        """A row a method and column: mean, deviation, runs, and whether it is the best,
        or within a standard error of the best."""
        rows = []
        for column, of_methods in self.values.items():
            numbers = {m: np.asarray(v, float) for m, v in of_methods.items()}
            numbers = {m: v[np.isfinite(v)] for m, v in numbers.items()}
            numbers = {m: v for m, v in numbers.items() if len(v)}
            if not numbers:
                continue
            best = max(numbers, key=lambda method: numbers[method].mean())
            top, error = numbers[best].mean(), _error(numbers[best])
            for method, v in numbers.items():
                near = len(numbers) > 1 and v.mean() >= top - error
                rows.append(
                    {
                        "method": method,
                        "score": column,
                        "mean": v.mean(),
                        "std": v.std(ddof=1) if len(v) > 1 else np.nan,
                        "runs": len(v),
                        "best": len(numbers) > 1 and v.mean() == top,
                        "near": near and v.mean() < top,
                    }
                )
        return pd.DataFrame(rows)

    def markdown(self):
        """With the best in bold, and what is near it in italics."""
        cells, marks = self._wide()
        for method, column in np.ndindex(cells.shape):
            mark = {"best": "**", "near": "_"}.get(marks.iat[method, column], "")
            cells.iat[method, column] = f"{mark}{cells.iat[method, column]}{mark}"
        table = cells.reset_index(names="method")
        table["method"] = [name.replace("|", r"\|") for name in table["method"]]
        table.columns = [name.replace("|", r"\|") for name in table.columns]
        text = table.to_markdown(index=False, disable_numparse=True)
        return f"{self.caption}, in %. {self._marked('in italics')}\n\n{text}"

    def latex(self):
        r"""With booktabs: `\usepackage{booktabs}`; the best in bold, what is near it
        underlined."""
        cells, marks = self._wide()
        commands = marks.replace(_COMMANDS)
        style = cells.map(lambda text: text.replace("±", r"$\pm$")).style
        style = style.apply(lambda _: commands, axis=None)
        style = style.format_index(escape="latex", axis=0)
        style = style.format_index(escape="latex", axis=1)
        caption = f"{self.caption}, in %. {self._marked('underlined')}"
        return style.to_latex(
            hrules=True,
            caption=caption.translate(_SPECIAL),
            label=self.label,
            position="t",
            position_float="centering",
            column_format="l" + "r" * len(cells.columns),
        )

    def _marked(self, how):
        near = f"{how}: within a standard error of it."
        return f"Best in bold; {near}" if len(self._wide()[0]) > 1 else ""

    def _wide(self):
        """Texts, and marks "best", "near" or "", a row a method, a column a score."""
        table = self.summary()
        table["text"] = [
            percent(mean, std)
            for mean, std in zip(table["mean"], table["std"], strict=True)
        ]
        mark = np.where(table["best"], "best", np.where(table["near"], "near", ""))
        table["mark"] = mark
        methods = list(dict.fromkeys(m for v in self.values.values() for m in v))
        return (
            _pivoted(table, "text", "-", methods),
            _pivoted(table, "mark", "", methods),
        )


def write_tables(folder, compared):
    """Writes paper_tables.tex, .md and .csv, of all runs by protocol and data.

    Args:
        folder: where.
        compared: list of `Compared`.

    Returns:
        path of the LaTeX file.
    """
    printed = printed_tables(compared)
    if not printed:
        raise ValueError("No run has a score: there is nothing to put into a table.")
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "tex": "\n".join(table.latex() for table in printed),
        "md": "\n\n".join(table.markdown() for table in printed) + "\n",
    }
    for suffix, text in texts.items():
        with atomic_write(folder / f"paper_tables.{suffix}") as temporary:
            temporary.write_text(text)
    tables = [t.summary().assign(table=t.label).drop(columns="near") for t in printed]
    with atomic_write(folder / "paper_tables.csv") as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format="%.6f")
    return folder / "paper_tables.tex"


def printed_tables(compared):
    """Tables of scores, and of F1 by class or unit, for each protocol and data."""
    tables = []
    for (protocol, data), runs in _by_setting(compared).items():
        place = f"{data}, {protocol}"
        counts = {sum(one.method == m for one in runs) for m in _methods(runs)}
        if any("fold=" in one.run.config["protocol"] for one in runs):
            place += " (all folds)"
        over = f"mean and deviation over {_either(counts)} runs"
        if counts == {1}:
            over = "one run each"
        for name, title, columns in (
            ("scores", "Test set", _SCORES),
            ("f1", "F1 by class" if "confusion" in runs[0].run.result else "F1 by unit",
             None),
        ):  # fmt: skip
            values = _of_scores(runs, columns) if columns else _by_output(runs)
            if any(np.isfinite(v).any() for m in values.values() for v in m.values()):
                label = f"tab:{name}-{re.sub(r'[^a-z0-9]+', '-', place.lower())}"
                tables.append(Printed(f"{title}, {place}: {over}", label, values))
    return tables


def f1_by_class(confusion):
    """F1 of each class, NaN of one that no face has and none is said to be.

    Args:
        confusion: int (classes, classes), rows are true classes.
    """
    counts = np.asarray(confusion, float)
    either = counts.sum(0) + counts.sum(1)
    with np.errstate(invalid="ignore"):
        return 2 * np.diag(counts) / either


def _by_setting(compared):
    """(protocol, name of the data) -> runs; folds of one protocol together."""
    found = {}
    for one in compared:
        manifest = one.run.config["manifest"]
        path = manifest and pathlib.Path(manifest).resolve()
        protocol = re.sub(r",?fold=\d+", "", one.run.config["protocol"])
        found.setdefault((protocol, path), []).append(one)
    names = [path.parent.name for _, path in found if path]
    settings = {}
    for (protocol, path), runs in found.items():
        data = "rendered faces"
        if path:
            several = len({p for _, p in found if p}) > 1 and (
                names.count(path.parent.name) > 1
            )
            data = str(path) if several else path.parent.name
        settings[protocol, data] = runs
    return settings


def _of_scores(runs, columns):
    values = {}
    for one in runs:
        for name, title in columns.items():
            value = one.run.result.get(name)
            if value is not None:
                values.setdefault(title, {}).setdefault(one.method, []).append(value)
    return values


def _by_output(runs):
    values = {}
    for one in runs:
        result = one.run.result
        if "confusion" in result:
            scores = zip(
                result["class_names"], f1_by_class(result["confusion"]), strict=True
            )
        else:
            scores = ((n, result.get(f"f1_{n}")) for n in result["outputs"])
        for name, value in scores:
            value = np.nan if value is None else value
            values.setdefault(name, {}).setdefault(one.method, []).append(value)
    return values


def _methods(runs):
    return list(dict.fromkeys(one.method for one in runs))


def _either(counts):
    return " or ".join(map(str, sorted(counts)))


def _error(values):
    return values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0


def _pivoted(table, name, missing, methods):
    wide = table.pivot(index="method", columns="score", values=name)
    wide = wide.reindex(index=methods, columns=list(dict.fromkeys(table["score"])))
    wide = wide.fillna(missing)
    wide.index.name = wide.columns.name = None
    return wide
