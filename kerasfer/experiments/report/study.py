"""report.html of a study: its tables, methods beside each other, and its runs."""

import functools
import json
import os
import pathlib

import numpy as np
import yaml

from kerasfer.experiments.facts import facts_if_whole
from kerasfer.experiments.report.machine import command_of, describe_machine
from kerasfer.experiments.report.page import Section, write_page
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.runs import environment
from kerasfer.experiments.study.file import Study
from kerasfer.experiments.study.plan import tabulated
from kerasfer.experiments.study.tables import shown_tables, side_by_side
from kerasfer.experiments.yaml_text import read_yaml
from kerasfer.safe_write import atomic_write

REPORT, _STUDY = "report.html", "study.yaml"


def write_study_report(folder, study, entries, long, out, path=None):
    """Writes the report of a study from its plan and the results of its runs.

    Args:
        folder: of the study's tables.
        study: a `Study`.
        entries: the cells of its plan.
        long: its results, a row a number (`kerasfer.analysis.statistics`).
        out: folder that the runs' folders are relative to.
        path: of the report; None is report.html in the folder.

    Returns:
        its path.
    """
    with atomic_write(folder / _STUDY) as temporary:
        temporary.write_text(yaml.safe_dump(study.content, sort_keys=False))
    path = path or folder / REPORT
    sections = [_summary(entries, long, out)]
    for setting in dict.fromkeys(entry["setting"] for entry in entries):
        of_setting = [e for e in entries if e["setting"] == setting]
        sections.append(_setting(setting, of_setting, long, study.scale, study.unit))
    sections += [_confusions(entries, out), _runs(path, entries, out)]
    sections.append(_how(entries, study.differs, out))
    title = study.content["title"]
    write_page(path, title, study.content.get("source", study.name), sections)
    return path


def rewritten_study_report(folder, path=None):
    """The report of a study from its folder alone; arguments and result as above."""
    folder = pathlib.Path(folder).resolve()
    study = Study(folder.name, read_yaml((folder / _STUDY).read_text()))
    out = folder.parent.parent

    def write(entries, long):
        return write_study_report(folder, study, entries, long, out, path)

    return tabulated(out, study.name, write)


def _summary(entries, long, out):
    section = Section("Summary")
    folders = [out / run["folder"] for entry in entries for run in entry["runs"]]
    finished = sum(RunFolder(folder).is_finished for folder in folders)
    section.numbers(
        [
            ("methods", len({entry["method"] for entry in entries})),
            ("settings", len({entry["setting"] for entry in entries})),
            ("runs finished", f"{finished} of {len(folders)}"),
            ("seeds", len({run["seed"] for e in entries for run in e["runs"]})),
        ]
    )
    if long.empty:
        section.warn("No run is finished.", "There are no numbers yet.")
    return section


def _setting(setting, entries, long, scale, unit):
    from kerasfer.analysis import figures
    from kerasfer.analysis.statistics import BEST_VALIDATION

    section = Section(setting)
    if long.empty:
        return section
    drawn, tables = [], []
    for _, metric, name in shown_tables(entries):
        of_table = long[(long["setting"] == setting) & (long["metric"] == metric)]
        if of_table.empty:
            continue
        honest = of_table[of_table["selection"] == BEST_VALIDATION]
        values = {
            method: (scale * rows["value"]).tolist()
            for method, rows in honest.groupby("method", sort=False)
        }
        drawn.append(
            (
                f"{name}, {unit}: runs as dots, mean and its standard error",
                functools.partial(figures.methods, values, f"{name}, {unit}"),
            )
        )
        tables.append((side_by_side(of_table, entries, scale), f"{name}, {unit}"))
    section.figures(*drawn)
    for table, caption in tables:
        section.table(table, caption)
    return section


def _confusions(entries, out):
    from kerasfer.analysis import figures

    section, drawn = Section("Confusion, summed over runs"), []
    for entry in entries:
        folders = [RunFolder(out / run["folder"]) for run in entry["runs"]]
        results = [facts_if_whole(folder.result) for folder in folders]
        results = [result for result in results if "confusion" in result]
        # Folds may lack a class.
        if not results or len({tuple(r["class_names"]) for r in results}) != 1:
            continue
        counts = np.sum([result["confusion"] for result in results], 0)
        draw = functools.partial(figures.confusion, counts, results[0]["class_names"])
        drawn.append((f"{entry['method']}, {entry['setting']}", draw))
    section.figures(*drawn)
    return section


def _runs(path, entries, out):
    section, links = Section("Runs"), []
    for entry in entries:
        for run in entry["runs"]:
            report = RunFolder(out / run["folder"]).report
            if report.exists():
                name = f"{entry['setting']}: {entry['method']}, seed {run['seed']}"
                name += f", {run['fold']}" if run["fold"] else ""
                links.append((name, os.path.relpath(report, path.parent)))
    if links:
        section.say("Each finished run has a page of its own (beside its results):")
        section.links(links)
    return section


def _how(entries, differs, out):
    section = Section("How it was made")
    section.code(command_of(environment()))
    for text in differs:
        section.say(f"Differs from the published protocol: {text}")
    envs = [
        facts_if_whole(RunFolder(out / run["folder"]).env)
        for entry in entries
        for run in entry["runs"]
    ]
    unlike = {json.dumps({**e, "started": "", "command": ""}): e for e in envs if e}
    for number, env in enumerate(unlike.values(), 1):
        caption = f"Machine and versions, {number} of {len(unlike)}"
        section.table(describe_machine(env), caption, folded=True)
    return section
