"""Which runs a study has, in a file beside its tables; and their results.

Results are read from the runs' own folders, whole, each time they are tabulated: there
is no file that two processes append to.
"""

import json

from kerasfer.experiments.facts import facts_if_whole
from kerasfer.experiments.floors import of_runs, with_largest_class
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.runs import claimed
from kerasfer.experiments.table import long_table
from kerasfer.safe_write import atomic_write

_PLAN = "plan.json"


def study_folder(out, name):
    return out / "study" / name


def is_study(folder):
    """Whether a folder is a study's, with its plan."""
    return (folder / _PLAN).exists()


def add_to_plan(out, study, cells, seeds):
    """Notes the cells and their runs, beside those of earlier calls; gives the runs.

    A cell that is there with other settings is replaced: its table would mix two. The
    runs of the old settings stay on disk.

    Returns:
        list of (cell, seed, fold, config, folder).
    """
    runs = [
        (cell, seed, fold, config, folder)
        for seed in seeds
        for cell in cells
        for _, fold, config, folder in cell.runs(out, [seed])
    ]
    folder = study_folder(out, study.name)
    folder.mkdir(parents=True, exist_ok=True)
    with claimed(folder / "tables"):
        entries = {_key(entry): entry for entry in read_plan(out, study.name)}
        for cell in cells:
            of_cell = [
                {"seed": seed, "fold": fold, "folder": str(path.relative_to(out))}
                for other, seed, fold, _, path in runs
                if other is cell
            ]
            entry = {
                "setting": cell.setting,
                "method": cell.method,
                "recipe": cell.recipe.name,
                "row": cell.row,
                "metrics": cell.metrics,
                "settings": json.loads(json.dumps(cell.settings)),
                "printed": json.loads(json.dumps(cell.printed)),
            }
            before = entries.get(_key(entry), {})
            if before.get("settings") == entry["settings"]:
                known = [run["folder"] for run in of_cell]
                of_cell += [r for r in before["runs"] if r["folder"] not in known]
            of_cell.sort(key=lambda run: (run["seed"], run["fold"]))
            entries[_key(entry)] = {**entry, "runs": of_cell}
        order = [(s, m) for s in study.settings for m in study.methods]
        kept = [entries[key] for key in order if key in entries]
        with atomic_write(folder / _PLAN) as temporary:
            temporary.write_text(json.dumps(kept, indent=1))
    return runs


def _key(entry):
    return entry["setting"], entry["method"]


def read_plan(out, name):
    """The cells of a study so far, in the order of its file."""
    path = study_folder(out, name) / _PLAN
    return json.loads(path.read_text()) if path.exists() else []


def tabulated(out, name, write):
    """Reads the results of all runs in the plan, then calls `write(entries, long)`;
    the largest class is in `long`, and no run, so not in results.csv.

    Under a lock: of two processes that end together, the later one reads what both
    have made, and writes last.
    """
    folder = study_folder(out, name)
    with claimed(folder / "tables"):
        entries = read_plan(out, name)
        long = long_table(with_largest_class(_results(out, entries)))
        with atomic_write(folder / "results.csv") as temporary:
            of_runs(long).to_csv(temporary, index=False, float_format="%.6f")
        return write(entries, long)


def _results(out, entries):
    for entry in entries:
        for run in entry["runs"]:
            path = RunFolder(out / run["folder"]).result
            if facts := facts_if_whole(path):
                yield {
                    **facts,
                    "setting": entry["setting"],
                    "method": entry["method"],
                    "seed": run["seed"],
                    "fold": run["fold"],
                }
