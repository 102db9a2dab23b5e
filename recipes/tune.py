r"""A search over a recipe's weights and rates, by Keras Tuner, on validation faces.

    python recipes/tune.py --recipe remop --trials 20 -- --config recipes/short.yaml
    python recipes/tune.py --recipe remop --help                     (what is searched)
    python recipes/tune.py --recipe margin_mix --trials 30 --algorithm bayesian \
        --space unlabeled_weight margin_weight -- --manifest FACES.csv --seeds 0 1

What follows `--` are flags of the recipe. Each trial is a run of it (of each of its
`--seeds`, whose mean counts) in a folder of its own; the test set is never read. The
same command goes on where a search was stopped, and tells if its flags are not those of
the search. Workers of Keras Tuner: give each process KERASTUNER_TUNER_ID ("chief", then
any), KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT.

At the end stand trials.csv, space.png, surface.png and the command that trains with the
best values. An error in a trial ends the search. A loss that is not finite does not: it
is a bad point, but three such trials in a row are an error too.
"""

import dataclasses
import pathlib
import shlex
import sys
from typing import Literal

from kerasfer import recipes
from kerasfer.experiments.flags import (
    parse,
    require_at_least,
    with_config_files,
)
from kerasfer.experiments.runs import reported_errors
from kerasfer.experiments.study.file import load_recipe
from kerasfer.experiments.tuning.report import report
from kerasfer.experiments.tuning.search import Search
from kerasfer.experiments.tuning.space import describe


@dataclasses.dataclass(frozen=True)
class Config:
    recipe: str
    """Name of a recipe: margin_mix, ada_cm, remop, baselines, ..."""
    trials: int = 20
    """How many points of the space; more later go on with the search."""
    method: str | None = None
    """Row of the recipe's table that is tuned; None is its last."""
    objective: str | None = None
    """What is to be high, on validation faces; None is the recipe's `--monitor`, and
    val_mean_class_accuracy under an imbalanced protocol."""
    space: tuple[str, ...] = ()
    """Only these of the recipe's space; the others keep the values of the flags."""
    ranges: pathlib.Path | None = None
    """YAML file of ranges in the place of the recipe's space, of any of its fields:
    name: [0.5, 0.9], or name: {low: 0.0001, high: 0.01, log: true}."""
    algorithm: Literal["random", "bayesian", "grid"] = "random"
    """How points are chosen."""
    seed: int = 0
    """Of the choice of points."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder for the search, below tune/."""

    def __post_init__(self):
        require_at_least(self, 1, "trials")


def _help(words):
    """The help, and the space of the recipe that is named, or of each."""
    names = [word for word in words if word in recipes.TRAINING] or recipes.TRAINING
    try:
        parse(Config, words)
    finally:
        for name in names:
            recipe = load_recipe(name, "--recipe")
            if lines := describe(recipe, recipe.config()):
                print("\n  ".join([f"\n--space of {name}:", *lines]))


def _monitor(config, recipe, flags):
    """Flags for what is to be high, where none says it."""
    if config.objective:
        return ["--monitor", config.objective]
    if any(word.split("=")[0] == "--monitor" for word in with_config_files(flags)):
        return []
    base = parse(recipe.config, flags)
    imbalanced = base.faces.protocol.startswith("imbalanced")
    if imbalanced and base.training.monitor == "val_accuracy":
        # Overall accuracy would reward answering the frequent classes.
        print("The objective is val_mean_class_accuracy: the labels are imbalanced.")
        return ["--monitor", "val_mean_class_accuracy"]
    return []


def main():
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    if {"-h", "--help"} & {*words[:at]}:
        _help(words[:at])
    config, flags = parse(Config, words[:at]), words[at + 1 :]
    if "--out" in flags:
        raise SystemExit("error: --out stands before `--`: it is the search's.")
    recipe = load_recipe(config.recipe, "--recipe")
    with reported_errors():
        flags += _monitor(config, recipe, flags)
        search = Search(config, recipe, parse(recipe.config, flags))
        tuner = search.run()
        if tuner is None:
            return  # a worker: the chief has all trials
        best = report(search, tuner)
        command = ["kerasfer", "train", recipe.name, *flags, *search.flags(best)]
        print(f"Train with them, and read the test set:\n  {shlex.join(command)}")


if __name__ == "__main__":
    main()
