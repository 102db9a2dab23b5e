"""Every method on every seed, and the table of them."""

import csv

from . import expressions
from .flags import parse
from .folds import per_fold
from .pictures import draw_centroid_shift
from .runs import reported_errors, slug
from .table import report
from .training import train


def run(
    recipe,
    config_class,
    methods_of,
    build_model,
    options_of=lambda config: {},
    config_of=lambda config, method: config,
    task=expressions,
):
    """The main program of a recipe.

    Args:
        recipe: its name, a folder below `--out`.
        config_class: dataclass with `faces` and `training`.
        methods_of: config -> names of methods, in the order of the table.
        build_model: see `train`.
        options_of: config -> further keywords of `train`.
        config_of: (config, method) -> the config for that method.
        task: the module `expressions` or `action_units`.
    """
    config = parse(config_class)
    with reported_errors():
        folder = config.training.out / recipe / slug(config.faces.name)
        runs = [
            (fold_config, method, seed, folder / f"seed{seed}" / fold / method)
            for seed in config.training.seeds
            for fold, fold_config in per_fold(config)
            for method in dict.fromkeys(methods_of(config))
        ]
        results = [
            train(
                config_of(fold_config, method),
                method,
                seed,
                run_folder,
                build_model,
                task,
                **options_of(config),
            )
            for fold_config, method, seed, run_folder in runs
        ]
        report(folder, results, task)
        _draw_shifts(folder, runs)


def _draw_shifts(folder, runs):
    """The centroids' curves of all runs that have one, in one picture."""
    shifts = {}
    for _, _, _, run_folder in runs:
        with (run_folder / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        if "centroid_shift" in rows[0]:
            values = [float(row["centroid_shift"]) for row in rows]
            shifts[str(run_folder.relative_to(folder))] = values
    if shifts:
        draw_centroid_shift(folder / "centroid_shift.png", shifts)
