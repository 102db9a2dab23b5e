"""Every method on every seed, and the table of them."""

from .flags import parse
from .runs import reported_errors, slug
from .table import report
from .training import train


def run(recipe, config_class, methods_of, build_model, options_of=lambda config: {}):
    """The main program of a recipe.

    Args:
        recipe: its name, a folder below `--out`.
        config_class: dataclass with `faces` and `training`.
        methods_of: config -> names of methods, in the order of the table.
        build_model: see `train`.
        options_of: config -> further keywords of `train`.
    """
    config = parse(config_class)
    with reported_errors():
        folder = config.training.out / recipe / slug(config.faces.name)
        results = [
            train(
                config,
                method,
                seed,
                folder / f"seed{seed}" / method,
                build_model,
                **options_of(config),
            )
            for seed in config.training.seeds
            for method in dict.fromkeys(methods_of(config))
        ]
        report(folder, results)
