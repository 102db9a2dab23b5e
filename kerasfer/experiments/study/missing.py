"""The runs of a study that have no result yet."""

from kerasfer.experiments.progress import count_bar
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.runs import slug
from kerasfer.experiments.study.jobs import run_all
from kerasfer.experiments.study.plan import study_folder


def run_missing(config, name, runs):
    """Runs what has no result yet, each folder once; gives what failed."""
    missing = {}
    for cell, seed, fold, fold_config, folder in runs:
        if not RunFolder(folder).is_finished:
            label = slug(f"{cell.setting} {cell.method} seed{seed} {fold}")
            missing[folder] = (
                label, cell.recipe.name, fold_config, cell.row, seed, folder,
            )  # fmt: skip
    logs = study_folder(config.out, name) / "logs"
    print(f"{len(runs)} runs, {len(missing)} of them to be made. What they say: {logs}")
    with count_bar(len(missing), "runs") as done:
        return run_all(missing.values(), config.jobs, logs, done)
