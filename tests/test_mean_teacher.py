"""Mean Teacher against its equation."""

import numpy as np
import pytest
import tensorflow as tf
from support.logits_batch import BATCH, LABELS, LOGITS, in_a_run
from support.toys import (
    dense_classifier,
    logits_classifier,
    random_faces,
    softmax,
)

from kerasfer.schemes import (
    MeanTeacher,
)


def test_mean_teacher():
    model = in_a_run(MeanTeacher(logits_classifier()), 0.2)  # half of the ramp
    step = model.scheme_step(BATCH, LABELS)
    teacher, student = softmax(LOGITS["weak"]), softmax(LOGITS["weak_2"])
    expected = 0.5 * ((teacher - student) ** 2).mean()
    np.testing.assert_allclose(step.losses["unlabeled"], expected, rtol=1e-5)
    assert model.weights_of_losses["unlabeled"] == 50.0
    paper = MeanTeacher(logits_classifier(), preset="paper")
    assert paper.weights_of_losses["unlabeled"] == 100.0


def test_the_student_gets_a_gradient_and_the_teacher_none():
    """A public port reads the student's logits from the teacher: a gradient of zero."""
    model = MeanTeacher(logits_classifier())
    views = {name: tf.Variable(BATCH[name]) for name in ("weak", "weak_2")}
    with tf.GradientTape() as tape:
        loss = model.scheme_step({**BATCH, **views}, LABELS).losses["unlabeled"]
    of_teacher, of_student = tape.gradient(loss, list(views.values()))
    assert of_teacher is None and np.abs(of_student).max() > 0.01


def test_the_teacher_is_the_average_in_training_mode():
    model = MeanTeacher(dense_classifier())
    for weight in model.ema_classifier.weights:
        weight.assign(weight * 0.5)
    faces = random_faces(4, side=4)
    taught = model.ema_forward(faces.images)["probs"]
    expected = model.ema_classifier(faces.images, training=True)["probs"]
    np.testing.assert_allclose(taught, expected, rtol=1e-6)
    assert not np.allclose(taught, model.classifier(faces.images)["probs"])


def test_mean_teacher_needs_an_average():
    with pytest.raises(ValueError, match="ema_decay > 0"):
        MeanTeacher(logits_classifier(), ema_decay=0)
    with pytest.raises(ValueError, match="ramp_shape in linear, sigmoid"):
        MeanTeacher(logits_classifier(), ramp_shape="cosine")


def test_teacher_and_student_start_equal():
    model = MeanTeacher(dense_classifier())
    for average, weight in zip(
        model.ema_classifier.weights, model.classifier.weights, strict=True
    ):
        np.testing.assert_array_equal(average.numpy(), weight.numpy())
