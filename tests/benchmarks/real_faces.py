r"""The tables of real faces in the documentation, from committed rows.

    python tests/benchmarks/real_faces.py

Writes them between markers such as `<!-- ferplus -->` and `<!-- end -->`, from the rows
of docs/measured/*.csv. `tests/test_measured.py` fails where a number in
the text is another one.
"""

import pathlib

import numpy as np
import pandas as pd

ROOT = pathlib.Path(__file__).parent.parent.parent
MEASURED = ROOT / "docs/measured"
BASE = "supervised"
END = "<!-- end -->"
_TWO = {"accuracy": "overall %", "mean_class_accuracy": "mean class %"}
_FOUR = {**_TWO, "macro_f1": "macro F1 %", "calibration_error": "calibration error %"}
_FEW, _FEWER = "560 balanced labels", "80 balanced labels"
_IMBALANCED = "imbalanced, 1000 to 20 a class"
_CHOSEN, _LAST = "best_validation", "last"
# (rule that picks the epoch, metric) -> title.
_BOTH_RULES = {
    (_CHOSEN, "accuracy"): "overall %, epoch by validation",
    (_LAST, "accuracy"): "overall %, last epoch",
    (_LAST, "mean_class_accuracy"): "mean class %, last epoch",
}
_BY_LAST = {(_LAST, metric): title for metric, title in _FOUR.items() if metric in _TWO}
_BY_LAST[_LAST, "macro_f1"] = "macro F1 %"
# Marker -> file, rows, setting, metrics with their titles.
TABLES = {
    "<!-- real_faces, short -->": ("README.md", "real_faces.csv", _FEW, _BOTH_RULES),
    "<!-- ferplus -->": ("docs/measured/README.md", "ferplus.csv", _FEW, _TWO),
    "<!-- real_faces, few -->": (
        "docs/measured/README.md", "real_faces.csv", _FEW, _FOUR,
    ),
    "<!-- real_faces, few, last epoch -->": (
        "docs/measured/README.md", "real_faces.csv", _FEW, _BY_LAST,
    ),
    "<!-- real_faces, fewer, last epoch -->": (
        "docs/measured/README.md", "real_faces.csv", _FEWER, _BY_LAST,
    ),
    "<!-- real_faces, imbalanced -->": (
        "docs/measured/README.md", "real_faces.csv", _IMBALANCED, _FOUR,
    ),
    "<!-- real_faces, imbalanced, last epoch -->": (
        "docs/measured/README.md", "real_faces.csv", _IMBALANCED, _BY_LAST,
    ),
}  # fmt: skip


def table(rows, setting, metrics):
    """Markdown: a row a method, in the order of the rows; differences to supervised are
    paired by seed, with their standard error and the seeds on which it is ahead.

    Args:
        rows: data frame, as of docs/measured/*.csv.
        setting: of these rows.
        metrics: metric, or (rule that picks the epoch, metric) -> title; the rule is
            the best validation epoch where none is named.
    """
    rows = rows[rows["setting"] == setting]
    values = {
        (method, rule, metric): some.set_index("seed")["value"].sort_index() * 100
        for (method, rule, metric), some in rows.groupby(
            ["method", "selection", "metric"], sort=False
        )
    }
    header = ["method", "seeds"]
    for title in metrics.values():
        header += [title, "difference to supervised"]
    lines = [header, ["---"] * len(header)]
    for method in rows["method"].drop_duplicates():
        cells = [method, str(len(values[method, _CHOSEN, "accuracy"]))]
        for metric in metrics:
            rule, metric = metric if isinstance(metric, tuple) else (_CHOSEN, metric)
            own = values.get((method, rule, metric))
            if (method, _LAST, "accuracy") not in values:  # it has no epochs
                own = values.get((method, _CHOSEN, metric))
            cells += _cells(method, own, values.get((BASE, rule, metric)))
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(method, own, base):
    if own is None:
        return ["", ""]
    shown = f"{own.mean():.1f}"
    if len(own) > 1:
        shown += f" ± {own.std():.1f}"
    both = [] if base is None or method == BASE else own.index.intersection(base.index)
    if len(both) < 2:
        return [shown, "-" if method == BASE else ""]
    difference = own[both] - base[both]
    error = difference.std() / np.sqrt(len(both))
    ahead = int((difference > 0).sum())
    return [shown, f"{difference.mean():+.1f} (se {error:.1f}, {ahead} of {len(both)})"]


def blocks():
    """(file, marker, the text that must follow it) of each table."""
    for marker, (name, rows, setting, metrics) in TABLES.items():
        rows = pd.read_csv(MEASURED / rows)
        if name == "README.md":  # what unlabelled faces bring
            rows = rows[~rows["method"].str.endswith("labels only")]
        yield ROOT / name, marker, f"\n{table(rows, setting, metrics)}\n"


def main():
    """Writes the tables."""
    for path, marker, text in blocks():
        before, _, rest = path.read_text().partition(marker)
        _, _, after = rest.partition(END)
        path.write_text(f"{before}{marker}\n{text}\n{END}{after}")
        print(f"{path.relative_to(ROOT)}: {marker}")


if __name__ == "__main__":
    main()
