"""What a recipe's `train` is given: the split, and all that `fit` takes.

def train(config, method, run):
    with run.scope():
        model = build_model(config, method, run.split)
    run.begin(model)
    model.fit(run.batches(), **run.fit_options())
    return model
"""

import functools

import kerasfer
from kerasfer.experiments import cross_data, data
from kerasfer.experiments.logging_callbacks import watching
from kerasfer.experiments.network import estimate_statistics
from kerasfer.experiments.runs import identity
from kerasfer.experiments.selections import TestScores
from kerasfer.experiments.termination import stop_after_epoch
from kerasfer.experiments.training import compile_model, set_precision, with_steps

_SOME = 512  # faces whose statistics a pretrained network gets


class TrainingRun:
    """An opened run, from its split to the arguments of `fit`.

    Attributes:
        split: labelled, unlabelled, validation and test faces.
        flags: of the training, with the steps of an epoch.
        done: epochs that are done already, of a run that is resumed; after `begin`.

    Raises:
        ValueError: data that do not fit the flags.
    """

    def __init__(self, opened, config, devices, task):
        import keras

        self.opened, self.config, self.task = opened, config, task
        self.strategy = devices.strategy
        self.seed = opened.config["seed"]
        self.reads_test = "test_part" not in opened.config
        set_precision(config.training)
        keras.utils.set_random_seed(self.seed)
        self.split = task.build_split(config.faces, self.seed)
        data.check_parts(self.split, self.reads_test)
        cross_data.check_tests(config.faces.test, self.split.labeled.class_names)
        _keep_split(self.split, opened.files.split)
        self.flags = with_steps(
            config.training, len(self.split.labeled), config.faces.batch_size
        )
        self.done = 0

    def scope(self):
        """Of the devices; a model is built in it."""
        return self.strategy.scope()

    def begin(self, model):
        """Compiles the model, and takes the weights of the last checkpoint, if any."""
        from kerasfer.callbacks import SaveWeights
        from kerasfer.callbacks.checkpoint import Checkpoint
        from kerasfer.experiments.epoch_seconds import EpochSeconds

        self.model, files = model, self.opened.files
        with self.scope():
            faces = functools.partial(some_faces, self.config.faces, self.split)
            estimate_statistics(self.config.network, model, faces)
            compile_model(model, self.flags, self.task.metrics(self.split.labeled))
        self.best = SaveWeights(files.best_weights, self.flags.monitor)
        self.seconds, last = EpochSeconds(), SaveWeights(files.last_weights)
        self.test_scores = self._test_scores()
        self._watched = watching(
            self.opened.folder, self.config, self.task, model, self.split
        )
        self._checkpoint = Checkpoint(
            files.checkpoints,
            identity(self.opened.config),
            remembering=[
                self.best, self.seconds, self.test_scores, self._watched.diagnosis,
            ],
            files=[self.best.path, last.path, *self._watched.files],
        )  # fmt: skip
        self._last = last
        self.done = self._checkpoint.resume(model)
        if self.done:
            epochs = self.flags.epochs
            print(f"{self.opened.folder} goes on after {self.done} of {epochs} epochs.")

    def batches(self, **options):
        """Training batches, from the step on that the run is at.

        Args:
            **options: of `kerasfer.data.training_dataset`, such as `mixup_alpha`.
        """
        return self.task.training_data(
            self.config.faces,
            self.split,
            self.model,
            self.seed,
            start_step=self.done * self.flags.steps_per_epoch,
            strategy=self.strategy,
            **options,
        )

    def fit_options(self, measured_unlabeled=0):
        """Further keywords of `fit`: validation, epochs and callbacks.

        Args:
            measured_unlabeled: how many unlabelled faces the end of an epoch sees,
                beside the labelled ones; None is all.
        """
        update = _update(self.config.faces, self.split, measured_unlabeled)
        validation = self.split.validation
        return {
            "validation_data": data.build_evaluation_data(
                self.config.faces, validation
            ),
            "initial_epoch": self.done,
            "epochs": self.flags.epochs,
            "steps_per_epoch": self.flags.steps_per_epoch,
            "verbose": 0,
            "callbacks": [
                self.seconds,
                *self._watched.callbacks(update, goes_on=self.done > 0),
                self.best,
                self._last,
                self.test_scores.callback(),
                self._checkpoint,
                stop_after_epoch(self.opened.folder),
            ],
        }

    def facts(self):
        """What result.json says of the training."""
        return {
            "labels": len(self.split.labeled),
            "epoch": self.best.best_epoch,
            "selected_on": self.best.monitor,
            self.best.monitor: self.best.best,
            "minutes": round(self.seconds.total / 60, 2),
            "seconds_per_epoch": round(self.seconds.median(), 2),
        }

    def _test_scores(self):
        return TestScores(
            self.config.output.selections if self.reads_test else (),
            self.flags.epochs,
            self.config.output.last_epochs,
            lambda: self.task.scores(self.config.faces, self.model, self.split),
            cross_data.digests(self.config.faces.test),
        )


def some_faces(faces, split):
    """Labelled and unlabelled ones, without a word on their labels."""
    both = kerasfer.data.concatenate(split.labeled, split.unlabeled)
    return data.build_evaluation_data(faces, data.evenly_spaced(both, _SOME))


def _keep_split(split, path):
    """Writes the split, once: a run that goes on must have the same."""
    if path.exists():
        kerasfer.data.check_split(split, path)
    else:
        kerasfer.data.save_split(split, path)


def _update(faces, split, measured_unlabeled):
    """The work at an epoch's end, on labelled and on so many unlabelled faces."""
    from kerasfer.callbacks import EpochUpdate

    parts = [split.labeled]
    if measured_unlabeled != 0:
        parts.append(data.evenly_spaced(split.unlabeled, measured_unlabeled))
    return EpochUpdate(*(data.build_evaluation_data(faces, part) for part in parts))
