import csv

import keras
import numpy as np
import pytest
from support.toys import dense_classifier, random_faces

from kerasfer.callbacks import PseudoLabelAudit, SaveWeights
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.safe_write import atomic_write
from kerasfer.schemes import FixMatch, Supervised

FACES = random_faces(12, side=4)


@pytest.fixture
def model():
    model = Supervised(dense_classifier())
    model.compile(keras.optimizers.SGD(0.1))
    return model


def after_epochs(callback, model, values):
    callback.set_model(model)
    written = []
    for epoch, value in enumerate(values):
        before = callback.path.read_bytes() if callback.path.exists() else None
        model.steps_done.assign(epoch + 1.0)
        callback.on_epoch_end(epoch, {"val_accuracy": value})
        if callback.path.read_bytes() != before:
            written.append(epoch + 1)
    return written


def test_best_weights_are_those_of_the_first_best_epoch(model, tmp_path):
    best = SaveWeights(tmp_path / "best.weights.h5", "val_accuracy")
    assert after_epochs(best, model, [0.1, 0.3, 0.3, 0.2]) == [1, 2]
    assert (best.best, best.best_epoch) == (0.3, 2)
    lowest = SaveWeights(tmp_path / "low.weights.h5", "val_accuracy", mode="min")
    assert after_epochs(lowest, model, [0.3, 0.4, 0.1]) == [1, 3]
    model.load_weights(best.path)
    assert float(model.steps_done) == 2
    last = SaveWeights(tmp_path / "last.weights.h5")
    assert after_epochs(last, model, [0.3, 0.1]) == [1, 2]


def test_what_cannot_be_monitored(model, tmp_path):
    best = SaveWeights(tmp_path / "best.weights.h5", "val_acuracy")
    best.set_model(model)
    with pytest.raises(
        ValueError, match="one of loss, val_accuracy. Received: 'val_acu"
    ):
        best.on_epoch_end(0, {"loss": 1.0, "val_accuracy": 0.5})
    with pytest.raises(ValueError, match="'max' or 'min'"):
        SaveWeights("x.weights.h5", mode="up")


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_text("good")
    with pytest.raises(OSError, match="disk full"), atomic_write(path) as temporary:
        temporary.write_text("ha")
        raise OSError("disk full")
    assert path.read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["weights.h5"]
    with atomic_write(path) as temporary:
        temporary.write_text("better")
    assert path.read_text() == "better"


@pytest.mark.parametrize("validates", [False, True])
def test_pseudo_label_audit_writes_what_was_measured(tmp_path, validates):
    model = FixMatch(dense_classifier(), threshold=0.0)
    model.compile(keras.optimizers.SGD(0.0))
    data = training_dataset(FACES, FACES, (*model.all_views, "audit_label"), 12)
    model.fit(
        data,
        steps_per_epoch=2,
        epochs=2,
        verbose=0,
        validation_data=evaluation_dataset(FACES) if validates else None,
        callbacks=[PseudoLabelAudit(tmp_path / "audit.csv", "abc")],
    )
    rows = list(csv.DictReader((tmp_path / "audit.csv").open()))
    assert [(row["epoch"], row["class"]) for row in rows] == [
        ("1", "a"), ("1", "b"), ("1", "c"), ("2", "a"), ("2", "b"), ("2", "c")
    ]  # fmt: skip
    assert {float(row["coverage"]) for row in rows} == {1.0}  # the threshold is 0
    assert sum(float(row["passed"]) for row in rows[:3]) == 2 * 12
    assert {row["unsure"] for row in rows} == {"0"}
    # All faces twice an epoch, weights fixed: recalls average to the accuracy logged.
    recalls = np.mean([float(row["recall"]) for row in rows[:3]])
    logged = model.history.history["pseudo_label_accuracy"][0]
    np.testing.assert_allclose(recalls, logged, atol=1e-4)


def test_pseudo_label_audit_of_faces_nobody_labelled(tmp_path):
    model = FixMatch(dense_classifier(), threshold=0.0)
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(
        training_dataset(FACES, FACES, model.all_views, 12),
        steps_per_epoch=1,
        verbose=0,
        callbacks=[PseudoLabelAudit(tmp_path / "audit.csv", "abc")],
    )
    rows = list(csv.DictReader((tmp_path / "audit.csv").open()))
    assert sum(float(row["passed"]) for row in rows) == 12
    assert {row["precision"] + row["recall"] for row in rows} == {""}


def test_no_audit_of_a_scheme_without_pseudo_labels(model, tmp_path):
    model.fit(
        training_dataset(FACES, batch_size=4),
        steps_per_epoch=1,
        verbose=0,
        callbacks=[PseudoLabelAudit(tmp_path / "audit.csv", "abc")],
    )
    assert not (tmp_path / "audit.csv").exists()
