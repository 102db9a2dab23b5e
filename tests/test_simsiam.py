"""SimSiam: its equation, no label in the backbone, a backbone that starts others."""

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from support.recipe_runs import run, write_noise
from support.toys import dense_classifier, random_faces

import kerasfer
from kerasfer.plug_ins import ABC, ReMoP
from kerasfer.schemes import SimSiam
from kerasfer.schemes.simsiam import negative_cosine

FACES = random_faces(6, side=16)
LABELS = tf.constant(FACES.labels, tf.int32)


def built():
    return SimSiam(kerasfer.build_classifier("compact", (16, 16, 3), 3), width=64)


def batch_of(faces):
    return {
        "image": faces.images,
        "strong": faces.images[:, ::-1],
        "strong_2": faces.images[:, :, ::-1],
    }


def test_the_similarity_by_hand():
    values = negative_cosine([[3.0, 4.0], [1.0, 0.0]], [[6.0, 8.0], [0.0, 2.0]])
    np.testing.assert_allclose(values, [-1, 0], atol=1e-6)
    assert float(negative_cosine([[0.0, 0.0]], [[1.0, 0.0]])[0]) == 0


def test_it_is_the_equation():
    model = built()
    step = model.scheme_step(batch_of(FACES), LABELS)
    p, z = (
        [np.asarray(step.outputs[v][name]) for v in ("strong", "strong_2")]
        for name in ("prediction", "projection")
    )
    total = 0.0
    for i in range(6):
        for a, b in ((0, 1), (1, 0)):
            norms = np.linalg.norm(p[a][i]) * np.linalg.norm(z[b][i])
            total -= p[a][i] @ z[b][i] / norms / 2 / 6
    np.testing.assert_allclose(step.losses["similarity"], total, rtol=1e-4)
    of_image = step.outputs["image"]
    expected = kerasfer.losses.cross_entropy(LABELS, of_image)
    np.testing.assert_allclose(step.losses["supervised"], np.mean(expected), rtol=1e-5)


def test_labels_train_the_probe_alone_and_similarity_the_rest():
    model = built()
    variables = model.classifier.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        losses = model.scheme_step(batch_of(FACES), LABELS).losses
    probe = model.classifier.get_layer("logits").trainable_variables
    for name in ("supervised", "similarity"):
        gradients = tape.gradient(losses[name], variables)
        moved = {
            id(v)
            for v, g in zip(variables, gradients, strict=True)
            if g is not None and np.abs(g).max() > 1e-7
        }
        of_probe = {id(v) for v in probe}
        assert moved == of_probe if name == "supervised" else not moved & of_probe
        assert len(moved) >= 2


def test_the_projection_is_a_constant():
    model = built()
    outputs = model.forward(FACES.images)
    z = tf.Variable(outputs["projection"])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(negative_cosine(outputs["prediction"], z))
    assert tape.gradient(loss, z) is None


def test_no_label_reaches_the_backbone_by_another_loss_or_plug_in():
    classifier = kerasfer.build_classifier("compact", (16, 16, 3), 3)
    model = SimSiam(classifier, width=8, supervised_loss="locality_preserving")
    with tf.GradientTape() as tape:
        loss = model.scheme_step(batch_of(FACES), LABELS).losses["supervised"]
    backbone = model.classifier.get_layer("compact").trainable_variables
    assert all(g is None for g in tape.gradient(loss, backbone))
    for plug_in in (ReMoP(3), ABC([2, 2, 2])):
        with pytest.raises(ValueError, match="does not fit SimSiam"):
            SimSiam(classifier, width=8, plug_ins=(plug_in,))


def test_what_it_cannot_be_built_from():
    for width in (2, 6):
        with pytest.raises(ValueError, match="a multiple of 4"):
            SimSiam(kerasfer.build_classifier("compact", (16, 16, 3), 3), width=width)
    with pytest.raises(ValueError, match="dense layer `logits`"):
        SimSiam(dense_classifier())


QUICK = ["--protocol", "balanced:labels=12", "--epochs", 1, "--steps-per-epoch", 2]
QUICK += ["--batch-size", 4, "--image-size", 16, "--no-report"]


@pytest.mark.slow
def test_a_run_s_backbone_starts_another(tmp_path):
    manifest = write_noise(tmp_path)
    common = ["--manifest", manifest, "--out", tmp_path / "runs", *QUICK]
    code, output = run(*common, "--width", 16, recipe="simsiam")
    assert code == 0, output
    (weights,) = tmp_path.glob("runs/simsiam/*/seed0/simsiam/backbone.weights.h5")
    assert f"--backbone-weights {weights} --normalization per_plane" in output
    options = ["--scheme", "supervised", "--backbone-weights", weights]
    code, output = run(*common, *options, recipe="baselines")
    assert code == 1 and "does not say what pixels its network saw" in output
    options += ["--normalization", "per_plane"]
    # A rate of nearly 0: the end is the start.
    options += ["--learning-rate", 1e-12, "--weight-decay", 0]
    code, output = run(*common, *options, recipe="baselines")
    assert code == 0, output
    (result,) = tmp_path.glob("runs/baselines/*/seed0/supervised/result.json")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    config = yaml.safe_load((result.parent / "config.yaml").read_text())
    assert config["backbone_digest"] == digest
    expected = kerasfer.backbones.compact((16, 16, 3))
    expected.load_weights(weights)
    trained = keras.models.load_model(result.parent / "classifier.keras")
    kernel = trained.get_layer("compact").trainable_variables[0]
    np.testing.assert_allclose(kernel, expected.trainable_variables[0], atol=1e-6)
    options += ["--backbone", "resnet18", "--out", tmp_path / "others"]
    options += ["--image-size", 32]
    code, output = run(*common, *options, recipe="baselines")
    assert code == 1 and "could not be loaded into" in output
