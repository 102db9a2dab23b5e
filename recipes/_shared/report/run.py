"""report.html of a run: what it is, how it went, how good it is, what it is bad at."""

import functools
import pathlib

import numpy as np
import yaml

from kerasfer.licences import licence_notes

from ..finished import TEST, FinishedRun, read_json
from ..kept import EMBEDDING, SHOWN, VALIDATION
from ..runs import RESULT
from ..scores_by import by_class, by_subgroup, by_unit, percent, read_attributes
from ..watching import CONFIDENCES, FINDINGS, METRICS, PSEUDO_LABELS
from .machine import command_of, describe_machine
from .page import Section, write_page

REPORT = "report.html"
SUBGROUPS = ("gender", "sex", "race", "age")

_SCORES = (
    "accuracy", "val_accuracy", "val_mean_class_accuracy", "f1", "val_f1",
    "val_f1_small",
)  # fmt: skip
_QUALITY = ("mask_rate", "pseudo_label_accuracy")
_MOST_LINES = 12


def write_run_report(folder, with_faces=True, subgroups=SUBGROUPS, path=None):
    """Writes the report of a run, finished or not, from what stands in its folder.

    Args:
        folder: of the run.
        with_faces: whether faces of the data are in it; without, it may be passed on
            where the data's licence lets no face be.
        subgroups: columns of the manifest, where it has them, to give accuracy by.
        path: of the report; None is report.html in the folder.

    Returns:
        its path.

    Raises:
        ValueError: the folder is not one of a run.
    """
    folder = pathlib.Path(folder)
    if not (folder / "config.yaml").exists():
        raise ValueError(
            f"{folder} is not a run: it has no config.yaml. Expected the folder of a "
            "run, or of a study."
        )
    run = FinishedRun(
        folder,
        yaml.safe_load((folder / "config.yaml").read_text()),
        read_json(folder / "env.json"),
        read_json(folder / RESULT),
    )
    sections = [
        _summary(run),
        _warnings(folder),
        _training(folder),
        _pseudo_labels(folder),
        _test(run, subgroups),
        _calibration(run),
        _embedding(folder),
        _faces(folder) if with_faces else Section("Faces"),
        _settings(run),
    ]
    path = path or folder / REPORT
    config = run.config
    data = config.get("manifest") or "rendered faces"
    subtitle = f"{data}, {config.get('protocol')}, seed {config.get('seed')}"
    write_page(path, config.get("method", folder.name), subtitle, sections)
    return path


def _summary(run):
    section, result, config = Section("Summary"), run.result, run.config
    if not result:
        section.warn(
            "This run is not finished.",
            "There are no test numbers. The command below with --resume goes on with "
            "it, if a whole epoch of it was done.",
        )
        return section
    names = {
        "accuracy": "accuracy, test %",
        "mean_class_accuracy": "mean class, test %",
        "f1": "F1, test %",
        "fitted_f1": "F1, fitted thresholds %",
    }
    pairs = [(t, percent(result[n])) for n, t in names.items() if n in result]
    chosen = result["selected_on"]
    pairs += [
        (f"{chosen.removeprefix('val_').replace('_', ' ')}, validation %",
         percent(result[chosen])),
        ("labelled faces", f"{result['labels']}"),
        ("best epoch", f"{result['epoch']} of {config['epochs']}"),
        ("minutes", f"{result['minutes']:.1f}"),
    ]  # fmt: skip
    section.numbers(pairs)
    section.say(
        f"The epoch was chosen by {chosen} on validation faces, which come out of the "
        "training part; the test part was read once, by those weights."
    )
    return section


def _warnings(folder):
    section = Section("Warnings")
    findings = _table(folder / FINDINGS)
    if findings is None:
        section.say("None: nothing that usually means that a training came to nothing.")
        return section
    for row in findings.itertuples():
        when = f" (epoch {row.epoch:.0f})" if row.epoch == row.epoch else ""
        section.warn(f"{row.finding}{when}", row.says)
    return section


def _training(folder):
    from kerasfer import figures

    section, metrics = Section("Training"), _table(folder / METRICS)
    if metrics is None:
        return section
    losses = [n for n in metrics if n.endswith("loss") and metrics[n].abs().max() > 0]
    groups = {
        "Losses; parts before their weights": losses,
        "Scores": [n for n in _SCORES if n in metrics],
        "Pseudo-labels: share that passed, share that is right": [
            n for n in _QUALITY if n in metrics
        ],
    }
    shown = {n for columns in groups.values() for n in columns}
    rest = [n for n in metrics.columns.drop("epoch") if n not in shown]
    rest = [n for n in rest if "f1_" not in n and not n.endswith("loss")]
    groups["Other numbers"] = rest[:_MOST_LINES]
    section.figures(
        *(
            (title, functools.partial(_lines, figures.curves, metrics[columns], ""))
            for title, columns in groups.items()
            if columns
        )
    )
    return section


def _pseudo_labels(folder):
    from kerasfer import figures

    section, audit = Section("Pseudo-labels"), _table(folder / PSEUDO_LABELS)
    if audit is None:
        return section
    drawn = []
    for measure, says in (
        ("coverage", "of the faces of a class, the share with any pseudo-label"),
        ("precision", "of the faces given a class, the share that is of it"),
        ("recall", "of the faces of a class, the share given it"),
        ("threshold", "the confidence from which it passes"),
        ("passed", "faces given the class in the epoch that passed"),
    ):
        # Made by an earlier version, or nobody knows.
        if measure not in audit or audit[measure].isna().all():
            continue
        by_name = audit.pivot(index="epoch", columns="class", values=measure)
        by_name = by_name[audit["class"].unique()]
        caption = f"{measure.capitalize()}: {says}"
        drawn.append((caption, functools.partial(_lines, figures.curves, by_name, "")))
    last = audit[audit["epoch"] == audit["epoch"].max()]
    true = last["true"] if "true" in last else None
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
    from kerasfer import figures
    from kerasfer.metrics import confidence_edges

    table, edges = _table(folder / CONFIDENCES), confidence_edges()
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


def _test(run, subgroups):
    from kerasfer import figures

    section, result = Section("Test part"), run.result
    if not result or not (run.folder / TEST).exists():
        return section
    table = run.table(TEST)
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
            "The best epoch on the test part is optimistic: it was chosen by it."
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


def _calibration(run):
    from kerasfer import figures
    from kerasfer.calibration import expected_calibration_error

    section, drawn = Section("Calibration"), []
    for part, name in (("test", TEST), ("validation", VALIDATION)):
        if not run.result or not (run.folder / name).exists():
            continue
        labels, probs = run.predictions(name)
        if not (labels >= 0).any():
            continue
        error = expected_calibration_error(labels, probs, run.task)
        draw = functools.partial(figures.reliability_diagram, labels, probs, run.task)
        drawn.append(
            (f"{part.capitalize()}: expected calibration error {error:.3f}", draw)
        )
    section.figures(*drawn)
    if drawn:
        section.say(
            "Above the diagonal the model is right more often than it says, below it "
            "less often. recipes/export.py fits a temperature on validation faces."
        )
    return section


def _embedding(folder):
    from kerasfer import figures

    section, points = Section("Embedding"), _table(folder / EMBEDDING)
    if points is None:
        return section
    names = sorted(set(points["kind"]) - {"unknown"})
    labels = [names.index(k) if k in names else -1 for k in points["kind"]]
    draw = functools.partial(
        figures.embedding, points[["x", "y"]].to_numpy(), labels, names
    )
    section.figures((f"t-SNE of {len(points)} validation faces", draw))
    return section


def _faces(folder):
    section, shown = Section("Faces"), _table(folder / SHOWN)
    if shown is None or shown.empty:
        return section
    section.say(
        "These are faces of the data set: pass this page on only as its licence "
        "allows, or make it without them (recipes/report.py RUN --no-with-faces)."
    )
    for group, rows in shown.fillna({"known": ""}).groupby("group", sort=False):
        lines = [
            [
                f"{row.said} {row.confidence:.2f}",
                f"is {row.known}" if row.known else "unknown",
            ]
            for row in rows.itertuples()
        ]
        files = [folder / name for name in rows["file"]]
        section.faces(f"{group[0].upper()}{group[1:]}", files, lines)
    return section


def _settings(run):
    import pandas as pd

    section, config = Section("How it was made"), run.config
    section.code(command_of(run.env))
    section.table(describe_machine(run.env), "Machine and versions")
    rows = pd.DataFrame({"setting": config.keys(), "value": map(str, config.values())})
    section.table(rows, f"All {len(rows)} settings", folded=True)
    manifests = [config[n] for n in ("manifest", "unlabeled") if config.get(n)]
    notes = licence_notes(*manifests)
    if not manifests:
        notes = ("Rendered faces (kerasfer, Apache-2.0); no data of third parties.",)
    section.say("Licences of the data:")
    for note in notes or ("not stated: no LICENCE_NOTICE.txt beside the manifest.",):
        section.say(note)
    files = sorted(p.name for p in run.folder.iterdir() if not p.name.startswith("."))
    section.say(f"Files beside this page: {', '.join(files)}.")
    return section


def _lines(curves, table, ylabel):
    return curves({name: table[name].tolist() for name in table}, ylabel)


def _table(path):
    import pandas as pd

    if not path.exists() or not path.stat().st_size:
        return None
    text = {"class": str, "kind": str, "said": str, "known": str, "path": str}
    return pd.read_csv(path, dtype=text)
