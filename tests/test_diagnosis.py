"""Warnings that name the cause, on trainings that have it."""

import csv
import warnings

import keras
import numpy as np
import pytest
from support.toys import dense_classifier, random_faces

from kerasfer.callbacks import (
    Diagnosis,
    EpochUpdate,
    StopOnNonFiniteLoss,
    TrainingWarning,
)
from kerasfer.callbacks.checkpoint import Checkpoint
from kerasfer.callbacks.diagnosis import (
    a_class_is_left_out,
    most_are_wrong,
    nothing_passes,
    one_class_is_predicted,
    one_class_takes_over,
)
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.metrics import MeanClassAccuracy
from kerasfer.plug_ins import Adsh, InPL
from kerasfer.schedules import averaging_decay, share_of_start
from kerasfer.schemes import AdaCM, FixMatch, FlexMatch, MixMatch, Supervised
from kerasfer.training import PlugIn

FACES = random_faces(24, side=4)
NAMES = ("anger", "fear", "neutral")


def counted(passed, unsure=(0, 0, 0), highest_bin=19, threshold=0.95):
    faces = np.zeros((3, 20))
    faces[0, highest_bin] = 1
    return {
        "passed": np.array(passed, float),
        "unsure": np.array(unsure, float),
        "threshold": np.full(3, threshold),
        "faces": faces,
    }


def test_nothing_passes():
    said = nothing_passes(counted([0, 0, 0], [300, 20, 80], highest_bin=11))
    text = said["nothing passes"]
    assert "0 of 400 pseudo-labels passed" in text
    assert "The threshold is 0.95; no face was surer than 0.60." in text
    said = nothing_passes(counted([0, 0, 0], [1, 0, 0], threshold=np.nan))
    assert "The threshold is" not in said["nothing passes"]
    assert nothing_passes(counted([1, 0, 0], [300, 20, 80])) == {}


def test_one_class_takes_over():
    def says(passed, shares=None):
        return one_class_takes_over(counted(passed), NAMES, shares)

    text = says([4, 2, 94], [0.5, 0.25, 0.25])["one class takes over"]
    assert "94% of the pseudo-labels that passed are neutral, and 25% of the" in text
    assert says([4, 2, 94]) and not says([10, 2, 88])
    # Three times its share of the labels, and the majority: 60 % against 20 %.
    assert says([10, 30, 60.1], [0.7, 0.1, 0.2])
    assert not says([10, 31, 59.9], [0.7, 0.1, 0.2])
    # Labels that are nearly all of one class are no surprise.
    assert not says([0, 5, 95], [0.04, 0.04, 0.92])
    assert says([0, 0, 0]) == {}


def test_a_class_is_left_out():
    said = a_class_is_left_out(counted([5, 0, 0]), NAMES)
    assert (
        "No pseudo-label of fear, neutral passed, of other classes 5"
        in (said["a class is left out"])
    )
    assert a_class_is_left_out(counted([5, 1, 1]), NAMES) == {}
    assert a_class_is_left_out(counted([0, 0, 0]), NAMES) == {}  # nothing passes


def test_one_class_is_predicted():
    def says(*rows, names=NAMES):
        return one_class_is_predicted(np.array(rows, float), names)

    # 90 % right, since most faces are neutral: every answer is that class.
    text = says([0, 0, 4], [0, 0, 6], [0, 0, 90])["one class is predicted"]
    assert "0.333, chance for 3 classes; 100% of the answers are neutral" in text
    # Answers that have nothing to do with the faces are no better.
    assert says([5, 5, 0], [5, 5, 0], [1, 1, 0])
    assert says([1, 0, 3], [0, 0, 6], [0, 0, 90]) == {}  # (1/4 + 0 + 1) / 3
    # Of two classes with faces chance is a half, and classes need no names.
    (text,) = says([0, 9, 0], [0, 9, 0], [0, 0, 0], names=()).values()
    assert "0.500, chance for 2 classes; 100% of the answers are class 1" in text
    assert says([0, 0, 0], [0, 9, 0], [0, 0, 0]) == {}  # one class alone
    assert says([0] * 3, [0] * 3, [0] * 3) == {}  # no validation


@pytest.mark.parametrize("metrics", [[], ["accuracy"], [MeanClassAccuracy(3)]])
def test_one_answer_is_seen_whatever_is_compiled(metrics, tmp_path):
    classifier = dense_classifier()
    classifier.layers[-2].set_weights(
        [np.zeros((5, 3), np.float32), np.array([0.0, 9.0, 0.0], np.float32)]
    )
    model = Supervised(classifier, ema_decay=0.0)
    model.compile(keras.optimizers.SGD(0.0), metrics=metrics)
    diagnosis = Diagnosis(path=tmp_path / "findings.csv", patience=2)
    with pytest.warns(TrainingWarning, match="100% of the answers are class 1"):
        history = model.fit(
            training_dataset(FACES, None, model.all_views, 12),
            validation_data=evaluation_dataset(FACES),
            epochs=2,
            steps_per_epoch=1,
            callbacks=[diagnosis],
            verbose=0,
        )
    assert not any("confusion" in name for name in history.history)
    assert int(np.sum(model.test_confusion.counts)) == len(FACES)


def test_the_counts_of_an_evaluation_are_its_confusion_matrix():
    model = Supervised(dense_classifier(), ema_decay=0.0)
    model.compile()
    model.evaluate(evaluation_dataset(FACES, batch_size=7), verbose=0)
    probs = model.predict(FACES.images.astype("float32"), verbose=0)
    expected = np.zeros((3, 3))
    for label, prob in zip(FACES.labels, probs, strict=True):
        expected[label, prob.argmax()] += 1
    np.testing.assert_array_equal(np.asarray(model.test_confusion.counts), expected)


@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 500])
def test_share_of_the_start_is_that_of_an_average(steps, warmup):
    # The average of a value that starts at 1 and is 0 from then on.
    average = 1.0
    for t in range(steps):
        decay = min(0.99, (1 + t) / (10 + t)) if warmup else 0.99
        np.testing.assert_allclose(
            averaging_decay(float(t), 0.99, warmup), decay, rtol=1e-6
        )
        average *= decay
    expected = share_of_start(steps, 0.99, warmup)
    np.testing.assert_allclose(expected, average, rtol=1e-4, atol=1e-30)


def fitted(model, epochs, *callbacks, rate=0.0, steps=2, first=0):
    model.compile(keras.optimizers.SGD(rate), metrics=[MeanClassAccuracy(3)])
    model.fit(
        training_dataset(FACES, FACES, (*model.all_views, "audit_label"), 12),
        validation_data=evaluation_dataset(FACES),
        initial_epoch=first,
        epochs=epochs,
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[EpochUpdate(evaluation_dataset(FACES)), *callbacks],
    )


def rows(path):
    return list(csv.DictReader(path.open()))


def test_a_run_warns_once_a_cause_and_writes_it(tmp_path):
    path = tmp_path / "findings.csv"
    diagnosis = Diagnosis(NAMES, path=path, patience=2)
    model = FixMatch(dense_classifier(), threshold=1.1)
    with pytest.warns(TrainingWarning, match="nothing passes. 0 of 24 pse") as said:
        fitted(model, 5, diagnosis)
    of_nothing = [w for w in said if "nothing passes" in str(w.message)]
    assert len(of_nothing) == 1
    written = [r for r in rows(path) if r["finding"] == "nothing passes"]
    assert [r["epoch"] for r in written] == ["2"]
    assert "For 2 epochs now." in written[0]["says"]


def test_an_average_that_cannot_leave_its_start(tmp_path):
    path = tmp_path / "findings.csv"
    model = Supervised(dense_classifier(), ema_decay=0.99, ema_warmup=False)
    # 0.99^6 = 0.941
    with pytest.warns(TrainingWarning, match="After the 6 steps .* 94% of the av"):
        fitted(model, 3, Diagnosis(path=path))
    assert [r["epoch"] for r in rows(path)] == ["1"]


def test_a_run_that_goes_well_says_nothing(tmp_path):
    faces = random_faces(24, side=4)
    model = FixMatch(dense_classifier(), threshold=0.34, ema_decay=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        fitted(
            model, 6, Diagnosis(NAMES, faces.class_counts(), tmp_path / "f.csv"),
            rate=0.5, steps=6,
        )  # fmt: skip
    assert not (tmp_path / "f.csv").exists()


def test_a_run_that_goes_on_does_not_say_it_again(tmp_path):
    path = tmp_path / "findings.csv"

    def part(epochs):
        keras.utils.set_random_seed(1)
        diagnosis = Diagnosis(NAMES, path=path, patience=2)
        model = FixMatch(dense_classifier(), threshold=1.1, ema_decay=0.0)
        model.compile(keras.optimizers.SGD(0.0), metrics=[MeanClassAccuracy(3)])
        checkpoint = Checkpoint(tmp_path / "c", {}, [diagnosis], [path])
        done = checkpoint.resume(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrainingWarning)
            fitted(model, epochs, diagnosis, checkpoint, first=done)

    part(1), part(3), part(5)
    told = [r for r in rows(path) if r["finding"] == "nothing passes"]
    assert [r["epoch"] for r in told] == ["2"]


class Fixed(PlugIn):
    def adjust_thresholds(self, thresholds):
        return 0.5


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda c: FixMatch(c, threshold=0.9), 0.9),
        (lambda c: FixMatch(c, plug_ins=[Fixed()]), 0.5),
        (lambda c: FixMatch(c, plug_ins=[Adsh((3, 2, 1), 0.8)]), [0.8] * 3),
        (lambda c: FixMatch(c, plug_ins=[InPL(3)]), None),
        (lambda c: AdaCM(c, initial=0.7), [0.7] * 3),
        (lambda c: FlexMatch(c, 24), [0.0] * 3),
        (MixMatch, None),
        (Supervised, None),
    ],
)
def test_thresholds_in_force(build, expected):
    found = build(dense_classifier()).current_thresholds()
    if expected is None:
        assert found is None
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_loss_that_grew_and_one_that_broke_at_once():
    def stopped(losses):
        callback = StopOnNonFiniteLoss()
        callback.on_train_begin()
        callback.on_epoch_begin(0)
        with pytest.raises(FloatingPointError) as error:
            for batch in range(len(losses)):
                mean = float(np.mean(losses[: batch + 1]))  # what Keras logs
                callback.on_train_batch_end(batch, {"loss": mean, "part": mean})
        return str(error.value)

    assert "so from the first step" in stopped([np.nan])
    assert "grown from 1 to 400: the training diverged" in stopped([1, 20, 400, np.inf])
    said = stopped([2.0, 1.5, np.nan])
    assert "had been 1.5 the step before: it broke at once" in said
    assert "loss is nan at step 3 of the epoch; not finite: part" in said


def _audited(passed, precision):
    return {"passed": np.array(passed, float), "precision": np.array(precision, float)}


@pytest.mark.parametrize(
    ("passed", "precision", "expected"),
    [
        ([60, 60], [0.3, 0.4], "35% of the pseudo-labels that passed are right."),
        ([900, 100], [0.9, 0.03], "Of classes: b 3%."),
        ([10, 0], [0.1, 0.0], "10% of the pseudo-labels that passed are right."),
    ],
)
def test_pseudo_labels_that_are_mostly_wrong_are_told(passed, precision, expected):
    found = most_are_wrong(_audited(passed, precision), ("a", "b"))
    assert expected in found["pseudo-labels are wrong"]


@pytest.mark.parametrize(
    ("passed", "precision"),
    [
        ([60, 60], [0.9, 0.6]),
        ([0, 0], [0.0, 0.0]),
        ([900, 49], [0.9, 0.1]),  # too few of the second to say
        ([60, 60], [float("nan")] * 2),  # no audit labels
    ],
)
def test_others_are_not(passed, precision):
    assert most_are_wrong(_audited(passed, precision), ("a", "b")) == {}
