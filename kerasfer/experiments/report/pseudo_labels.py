"""The pseudo-labels of a run: how many passed, how good, how sure."""

import functools

import numpy as np

from kerasfer.experiments.report.page import Section
from kerasfer.experiments.report.tables import curves_of, read_table
from kerasfer.experiments.run_folder import RunFolder


def pseudo_labels(folder):
    """The section of what metrics of pseudo-labels wrote; empty without such."""
    from kerasfer.analysis import figures
    from kerasfer.analysis.palette import class_colours

    section, audit = (
        Section("Pseudo-labels"),
        read_table(RunFolder(folder).pseudo_labels),
    )
    if audit is None:
        return section
    drawn, names = [], [*audit["class"].unique()]
    for measure, says in (
        ("coverage", "of the faces of a class, the share that passed"),
        ("precision", "of the passed faces given a class, the share that is of it"),
        ("recall", "of the faces of a class, the share that passed as this class"),
        ("threshold", "the confidence from which it passes"),
        ("passed", "faces given the class in the epoch that passed"),
    ):
        # Made by an earlier version, or not known.
        if measure not in audit or audit[measure].isna().all():
            continue
        by_name = audit.pivot(index="epoch", columns="class", values=measure)
        by_name = by_name[names]
        caption = f"{measure.capitalize()}: {says}"
        drawn.append((caption, curves_of(by_name, colours=class_colours(names))))
    last = audit[audit["epoch"] == audit["epoch"].max()]
    true = last.get("true", None)
    drawn.append(
        (
            "Classes in the last epoch",
            lambda: figures.class_histogram(
                list(last["class"]), last["passed"], last["unsure"], true
            ),
        )
    )
    section.figures(*drawn, *_confidences(folder, audit))
    return section


def _confidences(folder, audit):
    from kerasfer.analysis import figures
    from kerasfer.metrics import confidence_edges

    table, edges = read_table(RunFolder(folder).confidences), confidence_edges()
    if table is None:
        return
    epochs = sorted({1, int(table["epoch"].max())})
    for epoch in epochs:
        faces, right = np.zeros(len(edges)), np.zeros(len(edges))
        for row in table[table["epoch"] == epoch].itertuples():
            bin_ = round(row._3 * len(edges))
            faces[bin_] += row.faces
            right[bin_] += row.right
        thresholds = audit[audit["epoch"] == epoch].get("threshold")
        thresholds = [] if thresholds is None else thresholds.dropna()
        yield (
            f"Confidence of pseudo-labels, epoch {epoch}",
            functools.partial(
                figures.confidence_histogram, edges, faces, right, thresholds
            ),
        )
