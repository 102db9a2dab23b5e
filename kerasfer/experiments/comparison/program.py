"""Compares runs: a table, and a page beside it."""

import contextlib
import functools
import pathlib

import numpy as np
import pandas as pd

from kerasfer.analysis import figures
from kerasfer.analysis.palette import COLOURS
from kerasfer.analysis.statistics import percent
from kerasfer.experiments.comparison.printed import write_tables
from kerasfer.experiments.comparison.runs import collected
from kerasfer.experiments.comparison.statistics import FEW, over_faces, over_seeds
from kerasfer.experiments.report.page import Section, write_page
from kerasfer.experiments.report.tables import read_table
from kerasfer.vision.images import read_image

_SCORES = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "mean class accuracy",
    "macro_f1": "macro F1",
    "f1": "F1, threshold 0.5",
    "fitted_f1": "F1, fitted thresholds",
}
# Column of metrics.csv -> (title, factor).
_CURVES = {
    "val_accuracy": ("accuracy on validation faces, %", 100),
    "val_mean_class_accuracy": ("mean class accuracy on validation faces, %", 100),
    "val_f1": ("mean F1 on validation faces, %", 100),
    "loss": ("loss", 1),
    "mask_rate": ("pseudo-labels that pass, %", 100),
}
_SHOWN = 20  # faces on which methods disagree


def compare(folders, reference=None, page=None, printed=None):
    """Prints how the runs in some folders differ; writes a page and tables, if asked
    for.

    Args:
        folders: of runs, or above runs.
        reference: name of the method that others are held against; None is
            "supervised" if there is one, else the first.
        page: path of an HTML file, or None.
        printed: folder for the tables of a paper, or None.

    Raises:
        ValueError: see `collected`; or fewer than two methods, or no such reference.
    """
    compared = collected(folders)
    methods = list(dict.fromkeys(one.method for one in compared))
    reference = _reference(methods, reference)
    print(f"{len(compared)} runs of {len(methods)} methods, held against {reference}.")
    tables, notes = tables_of(compared, reference), [*_notes(compared, methods)]
    for caption, table in tables.items():
        text = table.to_markdown(index=False, disable_numparse=True)
        print(f"\n{caption}\n\n{text}")
    for note in notes:
        print(f"\nwarning: {note}")
    if page is not None:
        _write_page(page, compared, reference, tables, notes)
        print(f"\nPage: {page}")
    if printed is not None:
        print(f"Tables: {write_tables(printed, compared)}")


def write_comparison(page, compared, reference=None):
    """The page of a comparison, without a word.

    Args:
        page: path of an HTML file.
        compared: list of `Compared`, of two methods at least.
        reference: as for `compare`.
    """
    methods = list(dict.fromkeys(one.method for one in compared))
    reference = _reference(methods, reference)
    tables, notes = tables_of(compared, reference), [*_notes(compared, methods)]
    _write_page(page, compared, reference, tables, notes)


def _write_page(page, compared, reference, tables, notes):
    methods = list(dict.fromkeys(one.method for one in compared))
    sections = [_numbers(tables, notes), *_figures(compared, methods)]
    write_page(page, ", ".join(methods), f"held against {reference}", sections)


def _reference(methods, reference):
    if len(methods) < 2:
        raise ValueError(
            f"Two methods at least are compared. Received: {', '.join(methods)}."
        )
    if reference is None:
        return "supervised" if "supervised" in methods else methods[0]
    if reference not in methods:
        raise ValueError(
            f"--reference must be one of {', '.join(methods)}. Received: {reference}."
        )
    return reference


def tables_of(compared, reference):
    """Caption -> data frame, texts in percent: scores, differences over seeds by score,
    differences over test faces."""
    tables, scores = {}, _scores(compared)
    rows = []
    for method in dict.fromkeys(one.method for one in compared):
        row = {"method": method, "runs": sum(one.method == method for one in compared)}
        for name, values in scores.items():
            numbers = np.array([*values.get(method, {}).values()])
            deviation = numbers.std(ddof=1) if len(numbers) > 1 else np.nan
            mean = numbers.mean() if len(numbers) else np.nan
            row[f"{name} %"] = percent(mean, deviation)
        rows.append(row)
    tables["Test set: mean and deviation over runs"] = pd.DataFrame(rows)
    paired = [
        over_seeds(values, reference).assign(score=name)
        for name, values in scores.items()
        if reference in values
    ]
    if paired and len(table := pd.concat(paired)):
        table.insert(0, "score", table.pop("score"))
        caption = f"Difference to {reference} in points, paired by seed"
        tables[caption] = _readable(table, "t", "Wilcoxon")
    table = over_faces(_right(compared), reference)
    if len(table):
        caption = f"The same test faces, against {reference}: accuracy in points"
        tables[caption] = _readable(table, "McNemar")
    return tables


def _readable(table, *p_values):
    """Differences in points with a sign, p-values in three digits."""
    shown = table.copy()
    for name in ("difference", "low", "high"):
        if name in shown:
            shown[name] = [f"{100 * value:+.1f}" for value in table[name]]
    if "se" in shown:
        shown["se"] = [percent(value) for value in table["se"]]
    for name in p_values:
        shown[name] = ["-" if np.isnan(p) else f"{p:.3f}" for p in table[name]]
    return shown.rename(columns={name: f"p ({name})" for name in p_values})


def _scores(compared):
    """Title of a score -> method -> pair -> value, of the runs that have it."""
    found = {}
    for name, title in _SCORES.items():
        for one in compared:
            if one.run.result.get(name) is not None:
                of_methods = found.setdefault(title, {})
                of_methods.setdefault(one.method, {})[one.pair] = one.run.result[name]
    return found


def _right(compared):
    """Method -> pair -> path -> whether the test face was right, for expressions."""
    right = {one.method: {} for one in compared}
    for one in compared:
        if _says(one.run, one.run.files.predictions_test):
            table = one.run.table(one.run.files.predictions_test)
            hits = table["label"] == table["predicted"]
            right[one.method][one.pair] = dict(zip(table["path"], hits, strict=True))
    return right


def _says(run, path):
    """Whether it has predictions of one class a face; floors keep some of them only."""
    return run.task == "expressions" and path.exists()


def _notes(compared, methods):
    pairs = {m: {o.pair for o in compared if o.method == m} for m in methods}
    fewest = min(map(len, pairs.values()))
    if fewest < FEW:
        yield (
            f"{fewest} runs of a method: below {FEW} seeds a t-test hardly knows the "
            "deviation, and Wilcoxon's p is 0.12 at least. Give more --seeds."
        )
    if len(set(map(frozenset, pairs.values()))) > 1:
        yield "methods were run on different seeds, protocols or data; pairs are fewer."


def _numbers(tables, notes):
    section = Section("Numbers")
    for note in notes:
        section.warn("How much this says", note)
    for caption, table in tables.items():
        section.table(table, caption)
    return section


def _figures(compared, methods):
    """Runs as dots, curves on shared axes, confusion side by side, disagreements."""
    dots, scores = Section("Runs"), _scores(compared)
    dots.figures(
        *(
            (
                title,
                functools.partial(
                    figures.methods,
                    {m: [100 * v for v in values[m].values()] for m in values},
                    f"{title}, %",
                ),
            )
            for title, values in scores.items()
        )
    )
    curves = Section("Training: mean over runs, and from the lowest to the highest")
    curves.figures(*_curves(compared, methods))
    confusion = Section("Confusion, summed over runs")
    confusion.figures(*_confusions(compared, methods))
    return [dots, curves, confusion, _disagreements(compared)]


def _curves(compared, methods):
    colours = {m: COLOURS[k % len(COLOURS)] for k, m in enumerate(methods)}
    for name, (title, factor) in _CURVES.items():
        lines, bands = {}, {}
        for method in methods:
            runs = [one.run for one in compared if one.method == method]
            tables = [read_table(run.files.metrics) for run in runs]
            columns = [t[name] for t in tables if t is not None and name in t]
            if columns:
                values = factor * pd.concat(columns, axis=1)
                lines[method] = values.mean(axis=1).tolist()
                bands[method] = (values.min(axis=1), values.max(axis=1))
        if len(lines) > 1:
            draw = functools.partial(
                figures.curves, lines, "", colours=colours, bands=bands
            )
            yield title, draw


def _confusions(compared, methods):
    for method in methods:
        results = [o.run.result for o in compared if o.method == method]
        names = {tuple(r.get("class_names", ())) for r in results}
        if len(names) == 1 and (classes := names.pop()):
            counts = np.sum([r["confusion"] for r in results], 0)
            yield method, functools.partial(figures.confusion, counts, classes)


def _disagreements(compared):
    """Validation faces of one pair on which the methods differ; of the test set none:
    who looks at its errors begins to fit them."""
    section = Section("Where they disagree, on validation faces")
    of_pairs = {one.pair: {} for one in compared}
    for one in compared:
        path = one.run.files.predictions_validation
        if _says(one.run, path):
            of_pairs[one.pair][one.method] = one.run.table(path).set_index("path")
    tables = max(of_pairs.values(), key=len)  # the first with the most methods
    if len(tables) < 2:
        return section
    said = pd.DataFrame({m: table["predicted"] for m, table in tables.items()}).dropna()
    differ = said[said.nunique(axis=1) > 1].copy()
    differ.insert(0, "label", next(iter(tables.values()))["label"])
    section.say(f"{len(differ)} of {len(said)} faces; the first {_SHOWN} of them:")
    if len(differ):
        shown = differ.head(_SHOWN)
        section.table(shown.reset_index(), "What each one says")
        _show_faces(section, compared[0].run.config["manifest"], shown)
    return section


def _show_faces(section, manifest, shown):
    """The faces themselves, where they are files; rendered ones are not kept."""
    if manifest is None:
        return
    folder, images = pathlib.Path(manifest).parent, {}
    for row, path in enumerate(shown.index):
        with contextlib.suppress(ValueError, OSError):  # moved since, or in a shard
            images[row] = read_image(folder / path)
    if images:
        section.say(
            "These are faces of the data set: pass this page on only as its licence "
            "allows."
        )
        lines = [[f"is {shown['label'].iloc[k]}", *_said(shown, k)] for k in images]
        section.faces("The faces", images.values(), lines)


def _said(shown, row):
    """A line for each answer, with the methods that gave it."""
    methods = {}
    for method, answer in shown.drop(columns="label").iloc[row].items():
        methods.setdefault(answer, []).append(method)
    return [f"{answer}: {', '.join(names)}" for answer, names in methods.items()]
