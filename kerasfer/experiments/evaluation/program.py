"""Evaluates a model on a manifest, prints and writes what came out."""

import functools
import json

import numpy as np
import pandas as pd

from kerasfer.analysis import figures
from kerasfer.data import read_manifest
from kerasfer.data.split_file import content_hash
from kerasfer.experiments.evaluation import scores
from kerasfer.experiments.evaluation.model import load, parts_of_run
from kerasfer.experiments.report.page import Section, write_page
from kerasfer.experiments.scores_by import by_groups
from kerasfer.safe_write import new_folder

_AT_ONCE = 1024  # faces in memory


def evaluate(config):
    """Scores of `config.model` on `config.data`; a folder of them, if it is asked for.

    Raises:
        ValueError: no labelled face of a class, or no annotated unit, that the model
            knows.
    """
    if config.out is not None and config.out.exists():
        raise FileExistsError(f"{config.out} exists. Choose another name.")
    predictor = load(config.model)
    manifest = _chosen(config, read_manifest(config.data))
    describe = predictor.description
    units = describe.task == "action_units"
    match = _units if units else _labels
    manifest, truth, left_out = match(manifest, describe.names, config.data)
    if left_out:
        print(f"Left out: {left_out}.")
    probs, decisions = _predicted(predictor, manifest)
    seen = _seen(config.model, manifest)
    if units:
        table, parts = scores.of_action_units(truth, probs, decisions, describe.names)
        confusion = None
    else:
        table, parts, confusion = scores.of_expressions(truth, probs, describe.names)
    rows = _rows(manifest, truth, probs, decisions, describe, seen)
    groups = _groups(config, rows, describe)
    heading = f"{len(manifest)} faces of {config.data}"
    print(f"{heading}, by {config.model}\n")
    print(_markdown(table))
    print(f"\n{_markdown(parts)}")
    for column, of_groups in groups.items():
        print(f"\nBy {column}:\n\n{of_groups.to_markdown(index=False)}")
    print("\nIn percent; low and high: 95 % of 1,000 draws of the faces.")
    if note := _note(seen):
        print(f"warning: {note}")
    if config.out is None:
        return
    with new_folder(config.out) as folder:
        table.to_csv(folder / "scores.csv", index=False)
        parts.to_csv(folder / f"by_{'unit' if units else 'class'}.csv", index=False)
        rows.to_csv(folder / "predictions.csv", index=False, float_format="%.5f")
        for column, of_groups in groups.items():
            of_groups.to_csv(folder / f"by_{column}.csv", index=False)
        facts = {
            "model": str(config.model),
            "data": str(config.data),
            "part": config.part,
            "faces": len(manifest),
            "left_out": left_out,
            "seen": seen.value_counts().to_dict() if len(seen) == len(rows) else None,
            "scores": {
                row.score: None if np.isnan(row.value) else row.value
                for row in table.itertuples()
            },
        }
        (folder / "scores.json").write_text(json.dumps(facts, indent=2))
        sections = _sections(
            table, parts, groups, confusion, truth, probs, describe, _note(seen)
        )
        write_page(folder / "report.html", heading, f"by {config.model}", sections)
    print(f"Folder: {config.out}")


def _chosen(config, manifest):
    if config.part is None:
        return manifest
    if manifest.parts is None:
        raise ValueError(f"{config.data} has no column `split`, as --part asks for.")
    return manifest.subset(np.asarray(manifest.parts) == config.part)


def _labels(manifest, names, path):
    """Faces of the model's classes, their classes in its order, who is left out."""
    index = {name: k for k, name in enumerate(names)}
    numbers = np.array([*(index.get(n, -1) for n in manifest.class_names), -1])
    labels = numbers[manifest.labels]
    if not (labels >= 0).any():
        raise ValueError(
            f"{path} has no face of a class of the model, {', '.join(names)}. "
            f"Received: {', '.join(manifest.class_names) or 'no labels'}."
        )
    counts = {n: c for n, c in manifest.counts().items() if c and n not in index}
    unlabeled = int((manifest.labels < 0).sum())
    says = [f"{c} of {n}" for n, c in counts.items()]
    says += [f"{unlabeled} without a label"] if unlabeled else []
    kept = labels >= 0
    return manifest.subset(kept), labels[kept], ", ".join(says)


def _units(manifest, names, path):
    """Faces with an annotation of the model's units, these in its order; who is left
    out."""
    truth = np.full((len(manifest), len(names)), -1, np.float32)
    for m, name in enumerate(names):
        if name in manifest.au_names:
            truth[:, m] = manifest.action_units[:, manifest.au_names.index(name)]
    kept = (truth >= 0).any(-1)
    if not kept.any():
        raise ValueError(
            f"{path} has no annotation of a unit of the model, {', '.join(names)}. "
            f"Received: {', '.join(manifest.au_names) or 'no columns AU1, AU2, ...'}."
        )
    others = int((~kept).sum())
    says = f"{others} without an annotated unit" if others else ""
    return manifest.subset(kept), truth[kept], says


def _predicted(predictor, manifest):
    channels = predictor.description.image_shape[2]
    found = []
    for start in range(0, len(manifest), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(manifest)))
        found.append(predictor([manifest.image(row, channels) for row in rows]))
    return (
        np.concatenate([part.probs for part in found]),
        np.concatenate([part.decisions for part in found]),
    )


def _seen(model, manifest):
    """The part of the run that each face was in, "" for none."""
    parts = parts_of_run(model)
    hashes = (content_hash(manifest, row) for row in range(len(manifest)))
    return pd.Series([parts.get(digest, "") for digest in hashes] if parts else [""])


def _note(seen):
    counts = seen[seen != ""].value_counts()
    if counts.empty:
        return ""
    listed = ", ".join(f"{count} in its {part} set" for part, count in counts.items())
    return (
        f"of these faces the model's run had {listed}. Scores on faces that it was "
        "trained or chosen on are too good, and a test set that is read twice begins "
        "to be fitted; predictions.csv says which they are (column `seen`)."
    )


def _rows(manifest, truth, probs, decisions, describe, seen):
    columns = {"path": manifest.names}
    if describe.task == "action_units":
        for m, name in enumerate(describe.names):
            columns[name] = truth[:, m]
            columns[f"p_{name}"] = probs[:, m]
            columns[f"decision_{name}"] = decisions[:, m].astype(int)
    else:
        names = np.array(describe.names)
        columns["label"] = names[truth]
        columns["predicted"] = names[probs.argmax(-1)]
        columns |= {f"p_{name}": probs[:, k] for k, name in enumerate(names)}
    rows = pd.DataFrame(columns)
    rows["seen"] = seen if len(seen) == len(rows) else ""
    return rows


def _groups(config, rows, describe):
    table = pd.read_csv(config.data, dtype=str, keep_default_na=False)
    columns = [name for name in config.subgroups if name in table]
    if not columns:
        return {}
    joined = rows.merge(table[["path", *columns]], on="path", how="left")
    return {
        column: by_groups(describe.task, describe.names, joined, column)
        for column in columns
    }


def _markdown(frame):
    shown = _percent(frame).astype(object).where(frame.notna(), None)
    return shown.to_markdown(index=False, floatfmt=".1f", missingval="-")


def _percent(frame):
    shares = frame.select_dtypes("float").columns
    return frame.assign(**{name: 100 * frame[name] for name in shares})


def _sections(table, parts, groups, confusion, truth, probs, describe, note):
    result, drawn = Section("Scores, %"), []
    if note:
        result.warn("Faces that the model has seen", note)
    shown = [(row.score, f"{100 * row.value:.1f}") for row in table.itertuples()]
    result.numbers(shown)
    result.table(_percent(table).round(1), "95 % of 1,000 draws of the faces")
    result.table(_percent(parts).round(1), "By class or unit")
    for column, of_groups in groups.items():
        result.table(of_groups, f"By {column}")
    if confusion is not None:
        draw = functools.partial(figures.confusion, confusion, describe.names)
        drawn.append(("Confusion", draw))
    draw = functools.partial(figures.reliability_diagram, truth, probs, describe.task)
    drawn.append(("Whether it is right as often as it says", draw))
    drawings = Section("Figures")
    drawings.figures(*drawn)
    return [result, drawings]
