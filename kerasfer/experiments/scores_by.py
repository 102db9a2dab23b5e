"""Scores of a finished run on its test set, by class, by action unit, by subgroup."""

import numpy as np

import kerasfer


def by_class(run, table):
    """A row per class of a run on expressions: accuracy (recall), precision and F1.

    Args:
        run: a `FinishedRun`.
        table: its predictions_test.csv, or rows of it.
    """
    import pandas as pd

    rows = []
    for name in run.names:
        of_class = table[table["label"] == name]
        right = (of_class["predicted"] == name).mean() if len(of_class) else np.nan
        said = table[table["predicted"] == name]
        precise = (said["label"] == name).mean() if len(said) else np.nan
        rows.append(
            {
                "class": name,
                "faces": len(of_class),
                "accuracy %": percent(right),
                "right when predicted %": percent(precise),
                "F1 %": percent(_harmonic(right, precise)),
            }
        )
    return pd.DataFrame(rows)


def _harmonic(recall, precision):
    """F1: 0 where a class that has faces is never said, or never rightly."""
    if np.isnan(recall):
        return np.nan
    both = recall + np.nan_to_num(precision)
    return 2 * recall * np.nan_to_num(precision) / both if both else 0.0


def by_unit(run, table):
    """A row per action unit: F1 by the threshold fitted on validation faces."""
    import pandas as pd

    rows = []
    for m, name in enumerate(run.names):
        known = table[table[name] >= 0]
        rows.append(
            {
                "unit": name,
                "means": kerasfer.action_units.DESCRIPTIONS.get(int(name[2:]), ""),
                "annotated": len(known),
                "present": int((known[name] >= 0.5).sum()),
                "threshold": f"{run.result['thresholds'][m]:.3f}",
                "F1 %": percent(_f1(known, name)),
            }
        )
    return pd.DataFrame(rows)


def by_subgroup(run, table, attributes):
    """Column of the manifest -> data frame with a row for each of its values."""
    joined = table.merge(attributes, on="path", how="left")
    return {
        column: by_groups(run.task, run.names, joined, column)
        for column in attributes.columns.drop("path")
    }


def read_attributes(manifest, columns):
    """The columns of a manifest that say who is in an image, or None.

    Raises:
        ValueError: the manifest is gone.
    """
    import pandas as pd

    if not manifest:
        return None
    try:
        table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise ValueError(
            f"The run's manifest {manifest} is not there any more; it is read for "
            "metrics by subgroup. Put it back, or give --subgroups without columns."
        ) from None
    columns = [name for name in columns if name in table]
    return table[["path", *columns]] if columns else None


def percent(value):
    """Of a share: "33.5"; "-" of None and NaN."""
    return "-" if value is None or np.isnan(value) else f"{100 * value:.1f}"


def by_groups(task, names, joined, column):
    """A row for each value of a column that is joined to predictions."""
    import pandas as pd

    rows = []
    for value, group in joined.fillna({column: ""}).groupby(column):
        row = {column: value or "unknown", "faces": len(group)}
        if task == "action_units":
            scores = [_f1(group[group[name] >= 0], name) for name in names]
            known = [score for score in scores if not np.isnan(score)]
            row["mean F1 %"] = percent(np.mean(known) if known else np.nan)
        else:
            right = group["label"] == group["predicted"]
            error = np.sqrt(right.mean() * (1 - right.mean()) / len(group))
            row["accuracy %"] = f"{100 * right.mean():.1f} (se {100 * error:.1f})"
            row["mean class %"] = percent(right.groupby(group["label"]).mean().mean())
        rows.append(row)
    return pd.DataFrame(rows)


def _f1(known, name):
    truth, decided = known[name] >= 0.5, known[f"decision_{name}"] == 1
    total = truth.sum() + decided.sum()
    return 2 * (truth & decided).sum() / total if total else np.nan
