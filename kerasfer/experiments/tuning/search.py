"""A search by Keras Tuner whose trials are runs of a recipe."""

import json
import os
import statistics

import yaml

from kerasfer.experiments.devices import refuse_workers
from kerasfer.experiments.flags import as_arguments, with_values
from kerasfer.experiments.folds import per_fold
from kerasfer.experiments.runs import slug
from kerasfer.experiments.tuning.space import (
    as_fields,
    names_of,
    read_ranges,
    search_space,
)
from kerasfer.experiments.yaml_text import read_yaml
from kerasfer.safe_write import atomic_write


class Search:
    """What is searched, in which folder.

    Args:
        config: of `recipes/tune.py`.
        recipe: a `Recipe`.
        base: its config, with the values of what is not searched.

    Raises:
        ValueError: a method or a part of the space that the recipe does not have, or
            folds, whose validation sets overlap with other folds' training.
    """

    def __init__(self, config, recipe, base):
        self.config, self.recipe, self.base = config, recipe, base
        methods = [*dict.fromkeys(recipe.methods(base))]
        self.method = config.method or methods[-1]
        if self.method not in methods:
            raise ValueError(
                f"--method: expected one of {', '.join(methods)}. Received: "
                f"{self.method}."
            )
        if len(per_fold(base)) > 1:
            raise ValueError("--protocol: a search is on one fold: add fold=N.")
        self.objective = base.training.monitor
        self.ranges = None
        if config.ranges is not None:
            ranges = read_ranges(config.ranges)
            self.ranges = as_fields(config.ranges, ranges, base)
        name = f"{recipe.name}_{self.method}_{base.faces.name}"
        self.folder = config.out / "tune" / slug(name)

    def space(self):
        """Keras Tuner's hyperparameters of the search."""
        import keras_tuner

        known = names_of(self.recipe, self.base, self.ranges)
        unknown = set(self.config.space) - set(known)
        if unknown or not known:
            raise ValueError(
                f"--space: expected some of {', '.join(known) or 'nothing'}, those of "
                f"{self.recipe.name}; --ranges FILE.yaml searches any other field. "
                f"Received: {', '.join(sorted(unknown)) or 'nothing'}."
            )
        hp = keras_tuner.HyperParameters()
        self._asked(hp)
        return hp

    def values(self, hp):
        """Field -> value of a trial, with four digits: what is printed is trained."""
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in self._asked(hp).items()
            if value is not None
        }

    def _asked(self, hp):
        names = self.config.space
        return search_space(self.recipe, hp, self.base, names, self.ranges)

    def flags(self, hp):
        """The values as command-line words of the recipe."""
        return as_arguments(self.values(hp))

    def score(self, hp, trial_id):
        """Trains with a trial's values; the objective, mean over the seeds."""
        config = with_values(self.base, self.values(hp))
        scores = []
        for seed in config.output.seeds:
            folder = self.folder / f"run_{trial_id}" / f"seed{seed}" / self.method
            result = self.recipe.run(config, self.method, seed, folder, read_test=False)
            if self.objective not in (result or {}):
                raise ValueError(
                    f"--objective: {self.method} has no {self.objective}. Received "
                    f"{', '.join(result or {}) or 'no result'}."
                )
            scores.append(result[self.objective])
        return statistics.fmean(scores)

    def run(self):
        """Searches, or goes on; gives the tuner, None in a worker of a chief.

        Raises:
            ValueError: Keras Tuner or a part of it is missing, the folder has a search
                with other flags, or a trial failed.
        """
        refuse_workers(self.base.training, "A search")
        try:
            import keras_tuner

            self._note_what_is_searched()
            tuner = _tuner(self)
        except ImportError as error:
            raise ValueError(
                f"The search needs a package that is missing: {error}. Install it: pip "
                "install -r requirements.txt"
            ) from None
        is_worker = "KERASTUNER_ORACLE_IP" in os.environ
        is_worker &= "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")
        try:
            tuner.search(verbose=0)
        except (keras_tuner.errors.FatalError, RuntimeError) as error:
            raise ValueError(f"The search ended at a failing trial: {error}") from error
        return None if is_worker else tuner

    def _note_what_is_searched(self):
        """Keras Tuner would go on with an old search whatever the flags are now."""
        settings = {
            "recipe": self.recipe.name,
            "method": self.method,
            "objective": self.objective,
            "algorithm": self.config.algorithm,
            "seed": self.config.seed,
            "seeds": list(self.base.output.seeds),
            "space": [hp.get_config() for hp in self.space().space],
            **self.recipe.settings(self.base, self.method),
        }
        settings = json.loads(json.dumps(settings))
        path = self.folder / "search.yaml"
        if path.exists():
            before = read_yaml(path.read_text())
            if before != settings:
                names = {
                    k
                    for k in {**before, **settings}
                    if before.get(k) != settings.get(k)
                }
                raise ValueError(
                    f"{self.folder} holds a search with other flags: "
                    f"{', '.join(sorted(names))}. Choose another --out; nothing was "
                    "changed."
                )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(yaml.safe_dump(settings, sort_keys=False))


def _tuner(search):
    import keras_tuner

    oracles = {
        "random": keras_tuner.oracles.RandomSearchOracle,
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        "grid": keras_tuner.oracles.GridSearchOracle,
    }

    class RecipeTuner(keras_tuner.engine.base_tuner.BaseTuner):
        def run_trial(self, trial, **options):
            hp = trial.hyperparameters
            shown = " ".join(search.flags(hp))
            print(f"Trial {trial.trial_id}: {shown}", flush=True)
            try:
                score = search.score(hp, trial.trial_id)
            except FloatingPointError as error:
                print(f"Trial {trial.trial_id} diverged: {error}", flush=True)
                raise keras_tuner.errors.FailedTrialError(str(error)) from error
            except Exception as error:
                # Else Keras Tuner would note it, go on, and end as if all were well.
                raise keras_tuner.errors.FatalError(str(error)) from error
            print(f"Trial {trial.trial_id}: {search.objective} {score:.4f}", flush=True)
            return {search.objective: score}

    oracle = oracles[search.config.algorithm](
        objective=keras_tuner.Objective(search.objective, "max"),
        max_trials=search.config.trials,
        hyperparameters=search.space(),
        seed=search.config.seed,
        allow_new_entries=False,
        tune_new_entries=False,
    )
    tuner = RecipeTuner(oracle, directory=str(search.folder), project_name="trials")
    if not hasattr(tuner.oracle, "stub"):
        tuner.save()  # so that a search stopped in its first trial goes on with it
    return tuner
