"""One training run, from its folder to its result."""

import dataclasses
import functools
import json
import shutil

import kerasfer
from kerasfer.experiments import cross_data, data
from kerasfer.experiments.artifacts import keep_for_export, keep_for_report
from kerasfer.experiments.devices import devices_of, lost_workers_reported
from kerasfer.experiments.later_tests import tested_later
from kerasfer.experiments.locking import opened
from kerasfer.experiments.logging_callbacks import (
    note_end,
    plain_warnings,
    watching,
)
from kerasfer.experiments.pictures import draw_centroid_shift
from kerasfer.experiments.report.run import write_run_report
from kerasfer.experiments.runs import column_of, identity
from kerasfer.experiments.selections import TestScores
from kerasfer.experiments.training import (
    compile_model,
    estimate_statistics,
    set_precision,
    with_steps,
)
from kerasfer.safe_write import written_aside


def train(
    config,
    settings,
    folder,
    build_model,
    task,
    mixup_alpha=0.75,
    measured_unlabeled=0,
    read_test=True,
):
    """One run; returns its result, from the folder if it is finished already.

    Args:
        config: a recipe's, with `faces` and `training`.
        settings: all that the run hangs on, for config.yaml, with `method` and `seed`.
        folder: of the run. Another process that trains there is waited for.
        build_model: (config, method, split) -> model, not compiled.
        task: a `Task`.
        mixup_alpha: of the data set.
        measured_unlabeled: how many unlabelled faces the end of an epoch sees; None is
            all.
        read_test: whether the test part is read, once, and the result has its scores.
    """
    if not read_test:
        settings = {**settings, "test_part": "not read"}
    devices = devices_of(config.training)
    with opened(folder, settings, config.training.resume, devices) as run:
        if run.result is not None:
            if config.faces.manifest:
                split = task.build_split(config.faces, settings["seed"])
                kerasfer.data.check_split(split, run.files.split)
            print(f"{folder} is finished; its result is taken as it is.")
            return _tested_later(run, config, devices) if read_test else run.result
        reports = config.training.report and devices.is_chief
        fit = functools.partial(_fit, run, config, devices, build_model, task)
        try:
            with plain_warnings(), lost_workers_reported():
                fitted = fit(mixup_alpha, measured_unlabeled)
        except FloatingPointError as error:
            note_end(run.folder, error)
            if reports:
                write_run_report(run.folder)
            raise
        result = {
            "method": settings["method"],
            "seed": settings["seed"],
            **fitted.facts,
        }
        if read_test:
            result |= _tested(run, config, task, fitted)
            kept = (run.folder, config.faces, task, fitted.model, fitted.split)
            result |= keep_for_export(*kept)
            if config.training.report:
                # Each worker: reading statistics of all of them takes all of them.
                keep_for_report(*kept)
        with written_aside(run.files.result) as aside:
            aside.write_text(json.dumps(result, indent=2))
        shutil.rmtree(run.files.checkpoints, ignore_errors=True)
        if read_test and reports:
            write_run_report(run.folder)
    return result


def _tested_later(run, config, devices):
    """The result, and the report anew if a `--test` set came or was corrected."""
    if not devices.is_chief:
        return run.result
    before = run.result
    result = tested_later(run, config.faces)
    if result != before and config.training.report:
        write_run_report(run.folder)
    return result


_SOME = 512  # faces whose statistics a pretrained network gets


@dataclasses.dataclass(frozen=True)
class _Fitted:
    """A model with the weights of its best epoch, and what is known of the fit."""

    model: object
    split: object
    facts: dict
    test_scores: TestScores


def _fit(run, config, devices, build_model, task, mixup_alpha, measured_unlabeled):
    """Writes the split, the tables of `watching`, best and last weights, and the curve
    of the centroids where there are some. Goes on from the last checkpoint."""
    import keras

    from kerasfer.callbacks import SaveWeights
    from kerasfer.callbacks.checkpoint import Checkpoint
    from kerasfer.experiments.epoch_seconds import EpochSeconds

    method, seed = run.config["method"], run.config["seed"]
    set_precision(config.training)
    keras.utils.set_random_seed(seed)
    split = task.build_split(config.faces, seed)
    data.check_parts(split, "test_part" not in run.config)
    cross_data.check_tests(config.faces.test, split.labeled.class_names)
    _keep_split(split, run.files.split)
    training = with_steps(config.training, len(split.labeled), config.faces.batch_size)
    with devices.strategy.scope():
        model = build_model(config, method, split)
        faces = functools.partial(some_faces, config.faces, split)
        estimate_statistics(training, model, faces)
        compile_model(model, training, task.metrics(split.labeled))
    update = _update(config.faces, split, measured_unlabeled)
    best = SaveWeights(run.files.best_weights, training.monitor)
    test_scores = TestScores(
        training.selections if "test_part" not in run.config else (),
        training.epochs,
        training.last_epochs,
        lambda: task.scores(config.faces, model, split),
        cross_data.digests(config.faces.test),
    )
    seconds, last = EpochSeconds(), SaveWeights(run.files.last_weights)
    watched = watching(run.folder, config, task, model, split)
    checkpoint = Checkpoint(
        run.files.checkpoints,
        identity(run.config),
        remembering=[best, seconds, test_scores, watched.diagnosis],
        files=[best.path, last.path, *watched.files],
    )
    done = checkpoint.resume(model)
    if done:
        print(f"{run.folder} goes on after {done} of {training.epochs} epochs.")
    start_step = done * training.steps_per_epoch
    model.fit(
        task.training_data(
            config.faces,
            split,
            model,
            seed,
            mixup_alpha,
            start_step=start_step,
            strategy=devices.strategy,
        ),
        validation_data=data.build_evaluation_data(config.faces, split.validation),
        initial_epoch=done,
        epochs=training.epochs,
        steps_per_epoch=training.steps_per_epoch,
        verbose=0,
        callbacks=[
            seconds,
            *watched.callbacks(update, goes_on=done > 0),
            best,
            last,
            test_scores.callback(),
            checkpoint,
        ],
    )
    if shift := column_of(run.files.metrics, "centroid_shift"):
        draw_centroid_shift(run.files.centroid_shift, {run.folder.name: shift})
    model.load_weights(str(best.path))
    facts = {
        "labels": len(split.labeled),
        "epoch": best.best_epoch,
        "selected_on": best.monitor,
        best.monitor: best.best,
        "minutes": round(seconds.total / 60, 2),
        "seconds_per_epoch": round(seconds.median(), 2),
    }
    return _Fitted(model, split, facts, test_scores)


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


def _tested(run, config, task, fitted):
    """The test part, read by the best weights; and what other rules would report."""
    result = task.evaluate(run.folder, config.faces, fitted.model, fitted.split)
    fitted.test_scores.write(run.files.test_by_epoch)
    score = fitted.facts["selected_on"].removeprefix("val_")
    others = fitted.test_scores.selected(score)
    if config.faces.test:
        result = {**result, "tests": cross_data.digests(config.faces.test)}
    return {**result, "selections": others} if others else result
