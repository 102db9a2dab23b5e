"""One training run, from its folder to its result."""

import dataclasses
import functools
import json
import shutil

import kerasfer
from kerasfer.experiments import cross_data
from kerasfer.experiments.artifacts import keep_for_export, keep_for_report
from kerasfer.experiments.devices import devices_of, lost_workers_reported
from kerasfer.experiments.later_tests import kept_classifier, tested_later
from kerasfer.experiments.locking import opened
from kerasfer.experiments.logging_callbacks import note_end, plain_warnings
from kerasfer.experiments.out_of_memory import exhausted_memory_explained
from kerasfer.experiments.own_parts import keep_copies
from kerasfer.experiments.plots import at_worst_a_warning, draw_centroid_shift
from kerasfer.experiments.report.run import write_run_report
from kerasfer.experiments.runs import column_of
from kerasfer.experiments.training_run import TrainingRun
from kerasfer.safe_write import atomic_write


def run_training(config, settings, folder, train, task, read_test=True, own_parts=()):
    """One run; returns its result, from the folder if it is finished already.

    Args:
        config: a recipe's, with `faces`, `network`, `training` and `output`.
        settings: all that the run depends on, for config.yaml, `method` and `seed` too.
        folder: of the run. Another process that trains there is waited for.
        train: (config, method, `TrainingRun`) -> model, trained.
        task: a `Task`.
        read_test: whether the test set is read, once, and the result has its scores.
        own_parts: texts of flags; the files that they name are copied into the folder.
    """
    if not read_test:
        settings = {**settings, "test_part": "not read"}
    devices = devices_of(config.training)
    with opened(folder, settings, config.output.resume, devices) as run:
        if run.result is not None:
            if config.faces.manifest:
                faces = dataclasses.replace(config.faces, cache=None)
                split = task.build_split(faces, settings["seed"])
                kerasfer.data.check_split(split, run.files.split)
            print(f"{folder} is finished; its result is taken as it is.")
            return _tested_later(run, config, devices) if read_test else run.result
        keep_copies(own_parts, run.files.own_parts)
        reports = config.output.report and devices.is_chief
        try:
            with (
                plain_warnings(),
                lost_workers_reported(),
                exhausted_memory_explained(config.faces),
            ):
                training = TrainingRun(run, config, devices, task)
                model = train(config, settings["method"], training)
        except FloatingPointError as error:
            note_end(run.folder, error)
            if reports:
                write_run_report(run.folder)
            raise
        if shift := column_of(run.files.metrics, "centroid_shift"):
            with at_worst_a_warning(run.files.centroid_shift):
                draw_centroid_shift(run.files.centroid_shift, {run.folder.name: shift})
        model.load_weights(str(training.best.path))
        result = {
            "method": settings["method"],
            "seed": settings["seed"],
            **training.facts(),
        }
        if read_test:
            result |= _tested(run, config, task, model, training)
            kept = (run.folder, config.faces, task, model, training.split)
            result |= keep_for_export(*kept)
            if config.output.report:
                # Each worker: reading statistics of all of them takes all of them.
                with at_worst_a_warning("a part of the report"):
                    keep_for_report(*kept)
        with atomic_write(run.files.result) as temporary:
            temporary.write_text(json.dumps(result, indent=2))
        shutil.rmtree(run.files.checkpoints, ignore_errors=True)
        if read_test and reports:
            with at_worst_a_warning(run.files.report):
                write_run_report(run.folder)
    return result


def _tested_later(run, config, devices):
    """The result, and the report anew if a `--test` set came or was corrected."""
    if not devices.is_chief:
        return run.result
    before = run.result
    trained = functools.partial(kept_classifier, run)
    result = tested_later(run, config.faces, trained)
    if result != before and config.output.report:
        write_run_report(run.folder)
    return result


def _tested(run, config, task, model, training):
    """The test set, read by the best weights; and what other rules would report."""
    result = task.evaluate(run.folder, config.faces, model, training.split)
    training.test_scores.write(run.files.test_by_epoch)
    score = training.best.monitor.removeprefix("val_")
    others = training.test_scores.selected(score)
    if config.faces.test:
        result = {**result, "tests": cross_data.digests(config.faces.test)}
    return {**result, "selections": others} if others else result
