"""InPL against its equations."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from support.imbalanced_batch import BATCH, LABELS, LOGITS
from support.toys import dense_classifier, logits_classifier, random_faces, softmax

from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.plug_ins import InPL
from kerasfer.plug_ins.inpl import energy
from kerasfer.schemes import FixMatch

RNG = np.random.default_rng(0)


def test_energy():
    z = RNG.normal(size=(5, 7))
    np.testing.assert_allclose(energy(z), -np.log(np.exp(z).sum(-1)), rtol=1e-6)
    np.testing.assert_allclose(energy(np.zeros((1, 7))), [-1.9459], atol=1e-4)
    np.testing.assert_allclose(energy(z + 3), energy(z) - 3, rtol=1e-6)


def test_pseudo_labels_of_inpl():
    plug_in = InPL(3, cutoff=-2.0)
    model = FixMatch(logits_classifier(), threshold=1.1, plug_ins=(plug_in,))
    step = model.scheme_step(BATCH, LABELS)
    energies = -np.log(np.exp(LOGITS["weak"]).sum(-1))
    np.testing.assert_array_equal(step.pseudo.mask, energies <= -2.0)
    assert 0 < step.pseudo.mask.numpy().sum() < 4  # whatever FixMatch's threshold
    np.testing.assert_array_equal(step.pseudo.labels, [0, 1, 0, 2])


def test_the_adaptive_margin_shifts_the_strong_logits_alone():
    plug_in = InPL(3, cutoff=0.0, margin=0.5, momentum=0.9)
    q = np.array([0.6, 0.3, 0.1], np.float32)
    plug_in.predicted.assign(q)
    model = FixMatch(logits_classifier(), plug_ins=(plug_in,))
    step = model.scheme_step(BATCH, LABELS)
    shifted = LOGITS["strong"] + 0.5 * np.log(q)
    guesses = LOGITS["weak"].argmax(-1)
    expected = -np.log(softmax(shifted)[np.arange(4), guesses]).mean()
    np.testing.assert_allclose(step.losses["unlabeled"], expected, rtol=1e-5)
    # The average moves after the step, by the unshifted prediction.
    ((variable, value),) = plug_in.updates_of(step)
    assert variable is plug_in.predicted
    moved = 0.9 * q + 0.1 * softmax(LOGITS["weak"]).mean(0)
    np.testing.assert_allclose(value, moved, rtol=1e-5)


def test_inpl_calibrates_its_cutoff_on_labelled_faces():
    faces = random_faces(40, side=4)
    plug_in = InPL(3, quantile=0.25)
    model = FixMatch(dense_classifier(), plug_ins=(plug_in,))
    step = model.scheme_step(
        next(iter(training_dataset(faces, faces, model.all_views, 8)))[0],
        np.zeros(8, np.int32),
    )
    assert not step.pseudo.mask.numpy().any()  # nothing before the first epoch ends
    plug_in.epoch_end(model, evaluation_dataset(faces, 7), None)
    outputs = model.classifier(faces.images)
    right = np.asarray(outputs["probs"]).argmax(-1) == faces.labels
    energies = np.asarray(energy(outputs["logits"]))[right]
    passing = (energies <= float(tf.convert_to_tensor(plug_in.cutoff))).mean()
    assert abs(passing - 0.75) <= 1.0 / right.sum()


def test_inpl_warns_when_nothing_would_pass(caplog):
    faces = random_faces(12, side=4)
    plug_in = InPL(3, cutoff=-9.5)
    model = FixMatch(dense_classifier(), plug_ins=(plug_in,))
    with caplog.at_level(logging.WARNING):
        plug_in.epoch_end(model, evaluation_dataset(faces), None)
    assert "No labelled face has an energy of -9.50 or less" in caplog.text
    assert "supervised" in caplog.text
    with pytest.raises(ValueError, match="margin >= 0"):
        InPL(3, margin=-1)
