"""Callbacks of Keras, and of others where they are installed, with a scheme's `fit`."""

import keras
import numpy as np
import pandas as pd
import pytest
from support.toys import dense_classifier, random_faces

from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import FixMatch

FACES = random_faces(12, side=4)


def fitted(callbacks, epochs=3, rate=0.1):
    keras.utils.set_random_seed(0)
    model = FixMatch(dense_classifier())
    model.compile(keras.optimizers.SGD(rate), metrics=["accuracy"])
    history = model.fit(
        training_dataset(FACES, FACES, model.all_views, 4),
        epochs=epochs,
        steps_per_epoch=2,
        validation_data=evaluation_dataset(FACES),
        callbacks=callbacks,
        verbose=0,
    )
    return model, history.history


def test_early_stopping_stops_and_restores():
    stop = keras.callbacks.EarlyStopping(
        "val_loss", mode="max", patience=1, restore_best_weights=True
    )
    model, history = fitted([stop], epochs=20, rate=0.05)
    assert len(history["val_loss"]) < 20
    loss = model.evaluate(evaluation_dataset(FACES), verbose=0, return_dict=True)
    np.testing.assert_allclose(loss["loss"], max(history["val_loss"]), rtol=1e-4)


def test_model_checkpoint_of_weights_goes_back_into_a_scheme(tmp_path):
    path = tmp_path / "best.weights.h5"
    save = keras.callbacks.ModelCheckpoint(
        str(path), "val_loss", save_best_only=True, save_weights_only=True
    )
    _, history = fitted([save])
    model, _ = fitted([], epochs=1)
    model.load_weights(str(path))
    loss = model.evaluate(evaluation_dataset(FACES), verbose=0, return_dict=True)
    np.testing.assert_allclose(loss["loss"], min(history["val_loss"]), rtol=1e-4)


def test_model_checkpoint_of_a_whole_model_is_the_classifier(tmp_path):
    path = tmp_path / "model.keras"
    model, _ = fitted([keras.callbacks.ModelCheckpoint(str(path))], epochs=1)
    classifier = keras.models.load_model(path)
    expected = model.predict(FACES.images, verbose=0)
    found = classifier.predict(FACES.images, verbose=0)["probs"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_rate_is_reduced_and_logged(tmp_path):
    path = tmp_path / "log.csv"
    reduce = keras.callbacks.ReduceLROnPlateau("val_loss", 0.5, patience=0, mode="max")
    model, history = fitted([reduce, keras.callbacks.CSVLogger(str(path))], rate=0.05)
    table = pd.read_csv(path)
    assert len(table) == 3 and {"loss", "mask_rate", "val_accuracy"} <= {*table}
    np.testing.assert_allclose(table["val_loss"], history["val_loss"], rtol=1e-5)
    assert float(np.asarray(model.optimizer.learning_rate)) < 0.05


def test_backup_and_restore_is_no_hindrance(tmp_path):
    """It knows nothing of the data's step: `callbacks.checkpoint.Checkpoint` is what
    goes on with a run bit for bit."""
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    model, history = fitted([backup], epochs=2)
    assert len(history["loss"]) == 2 and float(np.asarray(model.steps_done)) == 4


def test_weights_and_biases(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    from wandb.integration.keras import WandbMetricsLogger

    monkeypatch.setenv("WANDB_MODE", "offline")
    with wandb.init(dir=str(tmp_path), project="tests") as tracked:
        fitted([WandbMetricsLogger()])
        assert "epoch/val_accuracy" in dict(tracked.summary)


def test_mlflow(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    logged = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: mlflow.log_metrics(logs, step=epoch)
    )
    with mlflow.start_run() as tracked:
        _, history = fitted([logged])
    metrics = mlflow.get_run(tracked.info.run_id).data.metrics
    np.testing.assert_allclose(metrics["val_loss"], history["val_loss"][-1], rtol=1e-5)
