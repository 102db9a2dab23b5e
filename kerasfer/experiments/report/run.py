"""report.html of a run: what it is, how it went, how good it is, what it is bad at."""

import functools
import pathlib

import numpy as np

from kerasfer.data.licences import licence_notes
from kerasfer.experiments.facts import facts_if_whole, read_settings
from kerasfer.experiments.report.calibration import calibration
from kerasfer.experiments.report.machine import command_of, describe_machine
from kerasfer.experiments.report.page import Section, write_page
from kerasfer.experiments.report.pseudo_labels import pseudo_labels
from kerasfer.experiments.report.scores import scores
from kerasfer.experiments.report.tables import curves_of, read_table
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.run_reader import FinishedRun
from kerasfer.experiments.scores_by import percent

SUBGROUPS = ("gender", "sex", "race", "age")

_SCORES = (
    "accuracy", "mean_class_accuracy", "val_accuracy", "val_mean_class_accuracy", "f1",
    "val_f1", "val_f1_small",
)  # fmt: skip
_QUALITY = ("mask_rate", "pseudo_label_accuracy")
_MOST_LINES = 12
_FLOOR = "supervised"


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
    files = RunFolder(folder)
    if not files.config.exists():
        raise ValueError(
            f"{folder} is not a run: it has no config.yaml. Expected the folder of a "
            "run, or of a study."
        )
    run = FinishedRun(
        folder,
        read_settings(files.config),
        facts_if_whole(files.env),
        facts_if_whole(files.result),
    )
    sections = [
        _summary(run),
        _warnings(folder),
        _training(run),
        pseudo_labels(folder),
        scores(run, subgroups),
        calibration(run),
        _embedding(folder),
        _faces(folder) if with_faces else Section("Faces"),
        _settings(run),
    ]
    path = path or files.report
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
        "macro_f1": "macro F1, test %",
        "f1": "F1, test %",
        "fitted_f1": "F1, fitted thresholds %",
    }
    pairs = [(t, percent(result[n])) for n, t in names.items() if n in result]
    pairs += _floors(run)
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
        "training set; the test set was read once, by those weights."
    )
    return section


def _floors(run):
    """What the accuracy is to be held against: always answering the largest class, and
    supervised training on the same split, where its run lies beside this one."""
    if "confusion" in run.result:
        of_classes = np.sum(run.result["confusion"], 1)
        share = of_classes.max() / of_classes.sum()
        yield "largest class, test %", percent(share)
    beside = RunFolder(run.folder.parent / _FLOOR)
    result = facts_if_whole(beside.result)
    is_other = run.config.get("method") != _FLOOR
    for name, title in (("accuracy", "accuracy"), ("f1", "F1")):
        if is_other and result and name in result and name in run.result:
            yield f"{_FLOOR}, {title}, test %", percent(result[name])


def _warnings(folder):
    section = Section("Warnings")
    findings = read_table(RunFolder(folder).findings)
    if findings is None:
        section.say("None: nothing that usually means that a training came to nothing.")
        return section
    for row in findings.itertuples():
        when = f" (epoch {row.epoch:.0f})" if row.epoch == row.epoch else ""
        section.warn(f"{row.finding}{when}", row.says)
    return section


def _training(run):
    section, metrics = Section("Training"), read_table(run.files.metrics)
    if metrics is None:
        return section
    losses = [n for n in metrics if n.endswith("loss") and metrics[n].abs().max() > 0]
    shares = [n for n in (*_SCORES, *_QUALITY) if n in metrics]
    metrics = metrics.assign(**{name: 100 * metrics[name] for name in shares})
    groups = {
        "Losses; parts before their weights": losses,
        "Scores, %": [n for n in _SCORES if n in metrics],
        "Pseudo-labels: % that passed, % that are right": [
            n for n in _QUALITY if n in metrics
        ],
    }
    shown = {n for columns in groups.values() for n in columns}
    rest = [n for n in metrics.columns.drop("epoch") if n not in shown]
    rest = [n for n in rest if "f1_" not in n and not n.endswith("loss")]
    groups["Other numbers"] = rest[:_MOST_LINES]
    section.figures(
        *(
            (title, curves_of(metrics[columns], best=(run.result or {}).get("epoch")))
            for title, columns in groups.items()
            if columns
        )
    )
    return section


def _embedding(folder):
    from kerasfer.analysis import figures

    section, points = Section("Embedding"), read_table(RunFolder(folder).embedding)
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
    section, shown = Section("Faces"), read_table(RunFolder(folder).shown)
    if shown is None or shown.empty:
        return section
    section.say(
        "These are faces of the data set: pass this page on only as its licence "
        "allows, or make it without them (kerasfer report RUN --no-with-faces)."
    )
    for group, rows in shown.fillna({"known": ""}).groupby("group", sort=False):
        lines = [
            [
                f"{row.said} {row.confidence:.2f}",
                f"is {row.known}" if row.known else "unknown",
            ]
            for row in rows.itertuples()
        ]
        shown_faces = RunFolder(folder).shown_faces
        files = [shown_faces / pathlib.PurePath(name).name for name in rows["file"]]
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
