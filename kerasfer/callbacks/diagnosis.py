"""Warnings while a model trains, which name the likely cause."""

import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasfer.callbacks.pseudo_label_audit import MeasuredPseudoLabels
from kerasfer.callbacks.rows import append_rows
from kerasfer.metrics import confidence_edges
from kerasfer.schedules import share_of_start
from kerasfer.types import Array, PathLike

_NOTHING = 0.001  # of the faces: so few pass that nothing is learned from them
_TOO_MUCH_START = 0.1  # of the average
_ONE_CLASS, _TIMES = 0.9, 3.0  # of the pseudo-labels; over its share of the labels
_MOSTLY = 0.5  # right, of pseudo-labels that pass
_POOR = 0.2  # precision of a class ...
_MANY = 50  # ... of which so many passed in an epoch
_CHANCE = 0.005  # above it, in mean class accuracy


class TrainingWarning(UserWarning):
    """Something in a training that usually means that it will fail."""


class Diagnosis(MeasuredPseudoLabels):
    """Warns when a training goes wrong, once a cause, with what usually is behind it.

    * nothing passes: hardly a pseudo-label passed for some epochs;
    * one class takes over: nearly all pseudo-labels that pass are of one class, or many
      more than its share of the labels says, for some epochs;
    * a class is left out: in each of some epochs a class had no pseudo-label that
      passed, while others had;
    * pseudo-labels are wrong: less than half of those that passed are right, or hardly
      any of one class, where audit labels tell it;
    * one class is predicted: the mean class accuracy on validation faces is chance,
      whatever metrics are compiled;
    * the average is its start: the averaged weights, which are evaluated and shipped,
      will still be the initial ones to a good part at the end of the run; said after
      the first epoch.

    A loss that is not finite stops a run by itself, see `StopOnNonFiniteLoss`.

    Args:
        class_names: one per class of the pseudo-labels; empty for schemes without.
        labeled_counts: labelled faces per class, or None; what shares are held against.
        path: None, or of a CSV with the columns epoch, finding, says.
        patience: epochs in a row before a warning.

    Warns:
        TrainingWarning: see above.

    >>> diagnosis = Diagnosis(manifest.class_names, split.labeled.class_counts())
    """

    def __init__(
        self,
        class_names: Sequence[str] = (),
        labeled_counts: Any = None,
        path: PathLike | None = None,
        patience: int = 3,
    ) -> None:
        super().__init__()
        self.class_names, self.path = tuple(class_names), path and pathlib.Path(path)
        self.shares = None
        if labeled_counts is not None and np.sum(labeled_counts) > 0:
            self.shares = np.asarray(labeled_counts) / np.sum(labeled_counts)
        self.patience = patience
        self.in_a_row: dict[str, int] = {}
        self.told: list[str] = []

    def get_state(self) -> dict:
        return {"in_a_row": self.in_a_row, "told": self.told}

    def set_state(self, state: Any) -> None:
        self.in_a_row, self.told = state["in_a_row"], state["told"]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.in_a_row, self.told = {}, []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs, measured = logs or {}, self.measured()
        for name, says in average_is_its_start(self.model).items():
            self._tell(epoch + 1, name, says)
        confusion = np.asarray(self.model.test_confusion.counts)
        found = one_class_is_predicted(confusion, self.class_names)
        if "mask_rate" in logs and len(measured["passed"]) == len(self.class_names):
            found |= nothing_passes(measured)
            found |= one_class_takes_over(measured, self.class_names, self.shares)
            found |= a_class_is_left_out(measured, self.class_names)
            found |= most_are_wrong(measured, self.class_names)
        self.in_a_row = {name: self.in_a_row.get(name, 0) + 1 for name in found}
        for name, says in found.items():
            if self.in_a_row[name] >= self.patience:
                self._tell(epoch + 1, name, f"{says} For {self.patience} epochs now.")

    def _tell(self, epoch, name, says):
        if name in self.told:
            return
        self.told.append(name)
        warnings.warn(f"{name}. {says}", TrainingWarning, stacklevel=3)
        if self.path is not None:
            write_finding(self.path, epoch, name, says)


def write_finding(path: pathlib.Path, epoch: int, name: str, says: str) -> None:
    """Appends a finding to the CSV of a run; `epoch` "" is one of no epoch's end."""
    append_rows(path, ["epoch", "finding", "says"], [[epoch, name, says]])


# The checks: each gives {} or {finding: what it means, as text}.


def average_is_its_start(model: Any) -> Any:
    """Whether averaged weights will still be largely the initial ones at the end."""
    steps = int(tf.convert_to_tensor(model.steps_of_run))
    if not model.ema_decay or not steps:
        return {}
    left = share_of_start(steps, model.ema_decay, model.ema_warmup)
    if left <= _TOO_MUCH_START:
        return {}
    return {
        "the average is its start": (
            f"After the {steps} steps of this run {left:.0%} of the averaged weights, "
            "which are evaluated and shipped, will be the initial ones. Likely cause: "
            f"a decay, {model.ema_decay:g}, made for longer runs. Leave ema_warmup on, "
            "lower ema_decay, or train longer."
        )
    }


def nothing_passes(measured: Any) -> Any:
    """By the pseudo-labels of an epoch (`MeasuredPseudoLabels.measured`)."""
    passed, unsure = measured["passed"].sum(), measured["unsure"].sum()
    if passed > _NOTHING * (passed + unsure):
        return {}
    filled = np.flatnonzero(measured["faces"].sum(0))
    thresholds, numbers = measured["threshold"], ""
    if len(filled) and np.isfinite(thresholds).all():
        edges = [*confidence_edges(), 1.0]
        numbers = (
            f" The threshold is {thresholds.min():.2f}; no face was surer than "
            f"{edges[filled[-1] + 1]:.2f}."
        )
    return {
        "nothing passes": (
            f"{passed:.0f} of {passed + unsure:.0f} pseudo-labels passed, so that "
            f"nothing is learned from unlabelled faces.{numbers} Likely "
            "causes: the classifier is not trained enough yet (papers train for 10,000 "
            "steps and more), or the threshold is too high. Train longer, lower the "
            "threshold, or take a scheme that adapts it (AdaCM, FlexMatch)."
        )
    }


def one_class_takes_over(
    measured: Any, class_names: Sequence[str], shares: Any = None
) -> Any:
    """By the pseudo-labels that passed, and each class's share of the labels."""
    passed = measured["passed"]
    if len(class_names) < 2 or not passed.sum():
        return {}
    share = passed / passed.sum()
    top = int(share.argmax())
    expected = None if shares is None else shares[top]
    much = expected is not None and share[top] > max(0.5, _TIMES * expected)
    usual = expected is not None and expected > _ONE_CLASS
    if usual or not (share[top] > _ONE_CLASS or much):
        return {}
    beside = "" if expected is None else f", and {expected:.0%} of the labels"
    return {
        "one class takes over": (
            f"{share[top]:.0%} of the pseudo-labels that passed are "
            f"{class_names[top]}{beside}: the classifier teaches itself that class. "
            "Likely causes: too large a weight of the unlabelled loss, a learning rate "
            "that is too high, labels that are too few or imbalanced. Lower the "
            "weight or the rate, raise the threshold, or use a plug-in for imbalance "
            "(ABC, Adsh, ReMoP)."
        )
    }


def a_class_is_left_out(measured: Any, class_names: Sequence[str]) -> Any:
    """By the pseudo-labels that passed."""
    passed = measured["passed"]
    absent = [n for n, count in zip(class_names, passed, strict=True) if not count]
    if not absent or len(absent) == len(class_names):
        return {}
    return {
        "a class is left out": (
            f"No pseudo-label of {', '.join(absent)} passed, of other classes "
            f"{passed.sum():.0f}: they are learned from labelled faces alone, and the "
            "others crowd them out. Likely causes: too few labels of them, one "
            "threshold for classes of unlike difficulty. Thresholds by class (AdaCM, "
            "FlexMatch, Adsh) or ReMoP are made for this."
        )
    }


def most_are_wrong(measured: Any, class_names: Sequence[str]) -> Any:
    """By the precision of the pseudo-labels that passed, where audit labels tell it."""
    passed, precision = measured["passed"], measured["precision"]
    if not passed.sum() or not np.isfinite(precision).all():
        return {}
    right = float((passed * precision).sum() / passed.sum())
    many = passed >= _MANY
    poor = [
        f"{name} {share:.0%}"
        for name, share, some in zip(class_names, precision, many, strict=True)
        if some and share < _POOR
    ]
    if right >= _MOSTLY and not poor:
        return {}
    classes = f" Of classes: {', '.join(poor)}." if poor else ""
    return {
        "pseudo-labels are wrong": (
            f"{right:.0%} of the pseudo-labels that passed are right.{classes} What is "
            "learned from them is mostly an error. Likely causes: too few labels or "
            "steps before they count, a threshold that is too low, classes that are "
            "rare among the unlabelled faces and not among the labelled ones. Raise "
            "the threshold, lower the weight of the unlabelled loss, or start from a "
            "pretrained network."
        )
    }


def one_class_is_predicted(confusion: Array, class_names: Sequence[str]) -> Any:
    """By the confusion matrix of validation faces, rows true; empty without any."""
    faces = confusion.sum(1)
    present = faces > 0
    chance = 1 / max(present.sum(), 1)
    if present.sum() < 2:
        return {}
    mean_class = float((confusion.diagonal()[present] / faces[present]).mean())
    if mean_class > chance + _CHANCE:
        return {}
    answers = confusion.sum(0) / confusion.sum()
    top = int(answers.argmax())
    named = len(class_names) == len(confusion)
    name = class_names[top] if named else f"class {top}"
    return {
        "one class is predicted": (
            f"The mean class accuracy on validation faces is {mean_class:.3f}, chance "
            f"for {present.sum()} classes; {answers[top]:.0%} of the answers are "
            f"{name}. Likely causes: a learning rate that is too "
            "high (or far too low), weights that collapsed, an average that has not "
            "left its start, labels that do not belong to their images. Look at the "
            "training accuracy: if it is high, the average is behind; if not, lower "
            "the rate."
        )
    }
