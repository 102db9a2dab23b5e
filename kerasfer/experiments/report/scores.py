"""What a run made of the test set: by class or unit, by subgroup, by other rules."""

import functools

from kerasfer.experiments.report.page import Section
from kerasfer.experiments.scores_by import (
    by_class,
    by_subgroup,
    by_unit,
    percent,
    read_attributes,
)


def scores(run, subgroups):
    """The section of the scores on the test set; empty where it was not read."""
    from kerasfer.analysis import figures

    section, result = Section("Test set"), run.result
    if not result or not run.files.predictions_test.exists():
        return section
    table = run.table(run.files.predictions_test)
    if "confusion" in result:
        names = result["class_names"]
        draw = functools.partial(figures.confusion, result["confusion"], names)
        section.figures((f"Confusion, {len(table)} faces", draw))
    if run.task == "action_units":
        section.table(by_unit(run, table), "By action unit")
    else:
        section.table(by_class(run, table), "By class")
    try:
        attributes = read_attributes(run.config["manifest"], subgroups)
    except ValueError as error:
        attributes = None
        section.say(str(error))
    if attributes is None:
        section.say(
            "By subgroup: not known. The manifest has no column such as "
            f"{', '.join(subgroups)}."
        )
    else:
        for column, groups in by_subgroup(run, table, attributes).items():
            section.table(groups, f"By {column}")
    if others := result.get("selections"):
        section.table(_selections(result, others), "By other rules that pick the epoch")
        section.say(
            "The best epoch on the test set is optimistic: it was chosen by it."
        )
    return section


def _selections(result, others):
    import pandas as pd

    rules = {"best on validation": result, **others}
    first = next(iter(others.values()))
    names = [n for n, v in first.items() if isinstance(v, float) and n in result]
    return pd.DataFrame(
        {"rule": rule, **{f"{n} %": percent(scores[n]) for n in names[:6]}}
        for rule, scores in rules.items()
    )
