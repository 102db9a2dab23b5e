"""MixMatch against its equation; what it shares with ReMixMatch."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.logits_batch import (
    BATCH,
    LABELS,
    LOGITS,
    cross_entropies,
    in_a_run,
    mixed_by_loops,
    sharpened,
    with_mix_draws,
)
from support.toys import (
    dense_classifier,
    logits_classifier,
    map_classifier,
    random_faces,
    softmax,
)

from kerasfer.data import training_dataset
from kerasfer.schedules import bounded_ramp, sigmoid_ramp
from kerasfer.schemes import (
    MixMatch,
    ReMixMatch,
)


def test_mixmatch():
    model = in_a_run(MixMatch(logits_classifier()), 0.4)  # half of the ramp
    rng = with_mix_draws(12)
    step = model.scheme_step({**BATCH, **rng}, LABELS)
    q = sharpened((softmax(LOGITS["weak"]) + softmax(LOGITS["weak_2"])) / 2, 0.5)
    logits = np.concatenate([LOGITS[v] for v in ("image", "weak", "weak_2")])
    targets = np.concatenate([np.eye(3)[LABELS], q, q])
    logits, targets = mixed_by_loops(logits, targets, rng)
    labeled = cross_entropies(targets[:4], logits[:4]).mean()
    # A mean over faces and classes: the weight is not divided by K again.
    error = 0.5 * ((targets[4:] - softmax(logits[4:])) ** 2).mean()
    np.testing.assert_allclose(step.losses["supervised"], labeled, rtol=1e-5)
    np.testing.assert_allclose(step.losses["unlabeled"], error, rtol=1e-5)
    np.testing.assert_array_equal(step.pseudo.labels, q.argmax(-1))


def test_mixmatch_presets():
    assert MixMatch(logits_classifier()).weights_of_losses["unlabeled"] == 20.0
    paper = MixMatch(logits_classifier(), preset="paper")
    assert paper.weights_of_losses["unlabeled"] == 75.0
    with pytest.raises(ValueError, match="`preset` must be one of fer, paper"):
        MixMatch(logits_classifier(), preset="cifar")
    with pytest.raises(ValueError, match="must be more than 0. Received: 0"):
        MixMatch(logits_classifier(), temperature=0)


@pytest.mark.parametrize("scheme", [MixMatch, ReMixMatch])
def test_the_ramp_counts_images(scheme):
    """64 of 128 faces: half the weight; 16,384 steps of 64 are the codes' 1024 k."""
    model = scheme(classifier_of_faces(), ramp=1.0, ramp_images=128)
    faces = random_faces(16, side=16)
    data = training_dataset(faces, faces, model.all_views, 8, seed=1)
    batch, labels = next(iter(data))
    model.steps_of_run.assign(1e9)
    losses = []
    for done in (8.0, 16.0):  # 64 and 128 faces
        model.steps_done.assign(done)
        losses.append(float(model.scheme_step(batch, labels).losses["unlabeled"]))
    assert losses[0] == pytest.approx(losses[1] / 2, rel=0.02)
    assert scheme(classifier_of_faces()).ramp_images == 16384 * 64


def classifier_of_faces():
    keras.utils.set_random_seed(0)
    return dense_classifier(side=16)


def test_ramps():
    # Half of 0.8 of a run, or 4096 of 16384 images: whichever is further.
    np.testing.assert_allclose(bounded_ramp(0.4, 0.8, 0.0, 16384), 0.5)
    np.testing.assert_allclose(bounded_ramp(0.1, 1.0, 4096.0, 16384), 0.25)
    assert float(bounded_ramp(0.1, 1.0, 1e6, 16384)) == 1.0
    np.testing.assert_allclose(sigmoid_ramp(0.1, 0.2), np.exp(-5 * 0.25), rtol=1e-6)
    assert float(sigmoid_ramp(0.9, 0.2)) == 1.0


@pytest.mark.parametrize("scheme", [MixMatch, ReMixMatch])
def test_guesses_have_no_gradient(scheme, monkeypatch):
    """The gradient is that with the guesses given as numbers."""
    module = importlib.import_module(scheme.__module__)
    faces, options = random_faces(12, side=4), {}
    classifier = map_classifier() if scheme is ReMixMatch else dense_classifier()
    model = scheme(classifier, ema_decay=0, **options)
    data = training_dataset(faces, faces, model.all_views, 4)
    ((batch, labels),) = data.take(1)
    found, sharpened = [], module.sharpen
    for as_numbers in (False, True):
        if as_numbers:
            monkeypatch.setattr(
                module,
                "sharpen",
                lambda probs, t: tf.constant(sharpened(probs, t).numpy()),
            )
        with tf.GradientTape() as tape:
            loss = model.scheme_step(batch, labels).losses["unlabeled"]
        found.append(tape.gradient(loss, classifier.trainable_variables))
    for one, other in zip(*found, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)
