"""RUL and MEK against their equations."""

import numpy as np
import pytest
import tensorflow as tf
from support.toys import dense_classifier, map_classifier, random_faces, softmax

from kerasfer.data import training_dataset
from kerasfer.schemes import MEK, RUL
from kerasfer.schemes.mek import rebalanced_labels

FACES = random_faces(6, side=4)
LABELS = FACES.labels.astype(np.int32)
KEY = np.array([0.4, 0.1, 0.9, 0.2, 0.8, 0.3], np.float32)


def test_rul_is_the_equation():
    model = RUL(map_classifier())
    batch = {"image": FACES.images, "uniform_labeled": KEY}
    step = model.scheme_step(batch, LABELS)
    mean = np.asarray(step.outputs["image"]["embedding"])
    assert mean.shape == (6, 64)
    uncertainty = np.exp(np.asarray(step.outputs["image"]["log_variance"])).mean(-1)
    kernel, bias = model.classifier.get_layer("mean_logits").get_weights()
    order, total = np.argsort(KEY), 0.0
    for i, j in enumerate(order):
        w = uncertainty[i] / (uncertainty[i] + uncertainty[j])
        p = softmax((w * mean[i] + (1 - w) * mean[j]) @ kernel + bias)
        total -= (np.log(p[LABELS[i]]) + np.log(p[LABELS[j]])) / 2 / 6
    np.testing.assert_allclose(step.losses["supervised"], total, rtol=1e-4)


def test_rul_learns_its_uncertainty_and_predicts_without_it():
    model = RUL(map_classifier())
    batch = {"image": FACES.images, "uniform_labeled": KEY}
    kernel = model.classifier.get_layer("log_variance_dense").kernel
    with tf.GradientTape() as tape:
        loss = model.scheme_step(batch, LABELS).losses["supervised"]
    assert np.abs(tape.gradient(loss, kernel)).max() > 0
    before = model.classifier(FACES.images)["probs"]
    layer = model.classifier.get_layer("log_variance_dense")
    layer.set_weights([w * 3 for w in layer.get_weights()])
    np.testing.assert_array_equal(model.classifier(FACES.images)["probs"], before)


def test_rul_needs_no_unlabelled_faces():
    model = RUL(map_classifier())
    model.compile("adam")
    data = training_dataset(FACES, views=model.all_views, batch_size=4)
    logs = model.fit(data, steps_per_epoch=2, verbose=0).history
    assert np.isfinite(logs["loss"][0]) and "mask_rate" not in logs
    with pytest.raises(ValueError, match="no layer `feature_map`"):
        RUL(dense_classifier())


def test_mek_is_the_equation():
    counts = np.array([10, 4, 1])
    model = MEK(map_classifier(), counts)
    step = model.scheme_step({"image": FACES.images}, LABELS)
    weights = 3 / counts / (1 / counts).sum()  # of mean 1
    p = softmax(np.asarray(step.outputs["image"]["logits"]))
    supervised = 0.0
    for i, y in enumerate(LABELS):
        others = [k for k in range(3) if k != y]
        soft = {y: 0.7}
        for k in others:
            soft[k] = 0.3 * weights[k] / sum(weights[o] for o in others)
        supervised -= sum(soft[k] * np.log(p[i, k]) for k in range(3)) / 6
    np.testing.assert_allclose(step.losses["supervised"], supervised, rtol=1e-5)

    kernel = model.classifier.get_layer("logits").kernel.numpy()
    maps = np.asarray(step.outputs["image"]["feature_map"]) @ kernel
    mirrored = model.classifier(FACES.images[:, :, ::-1])["feature_map"] @ kernel
    error = (maps - np.asarray(mirrored)[:, :, ::-1]) ** 2
    expected = sum(w * error[..., k].mean() for k, w in enumerate(weights))
    np.testing.assert_allclose(step.losses["attention"], expected, rtol=1e-4)
    assert model.weights_of_losses["attention"] == 0.145  # 0.1 by RAF-DB's mean, 1.447


def test_attention_of_symmetric_faces_agrees_if_the_kernel_is_symmetric():
    classifier = map_classifier()
    conv = next(layer for layer in classifier.layers if "conv" in layer.name)
    kernel, bias = conv.get_weights()
    conv.set_weights([kernel + kernel[:, ::-1], bias])
    model = MEK(classifier, [1, 1, 1])
    faces = FACES.images.copy()
    faces[:, :, 2:] = faces[:, :, 1::-1]
    step = model.scheme_step({"image": faces}, LABELS)
    np.testing.assert_allclose(step.losses["attention"], 0.0, atol=1e-9)


def test_rebalanced_labels():
    soft = rebalanced_labels(np.array([1.0, 1.0, 3.0]), 0.4)
    expected = [[0.6, 0.1, 0.3], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]]
    np.testing.assert_allclose(soft, expected, rtol=1e-6)
    np.testing.assert_array_equal(rebalanced_labels(np.ones(4), 0.0), np.eye(4))
    with pytest.raises(ValueError, match="must be in .0, 1.. Received: 1"):
        MEK(map_classifier(), [1, 1, 1], smoothing=1)
