"""UDA against its equation."""

import numpy as np
import pytest
import tensorflow as tf
from support.logits_batch import BATCH, LABELS, LOGITS, in_a_run
from support.toys import (
    as_images,
    logits_classifier,
    softmax,
)

from kerasfer.schedules import tsa_threshold
from kerasfer.schemes import (
    UDA,
)


def test_uda():
    model = UDA(logits_classifier(), threshold=0.75, temperature=0.4)
    step = model.scheme_step(BATCH, LABELS)
    probs = softmax(LOGITS["weak"])
    q = softmax(LOGITS["weak"] / 0.4)
    p = softmax(LOGITS["strong"])
    divergence = (q * np.log(q / p)).sum(-1)
    kept = probs.max(-1) >= 0.75  # two; sharpened, the third would pass too
    assert kept.sum() == 2 and (q.max(-1) >= 0.75).sum() == 3
    np.testing.assert_array_equal(step.pseudo.mask, kept)
    expected = (divergence * kept).sum() / 4
    np.testing.assert_allclose(step.losses["unlabeled"], expected, rtol=1e-5)


def test_the_targets_of_uda_have_no_gradient():
    model = UDA(logits_classifier(), threshold=0.0, ema_decay=0)
    weak, strong = (tf.Variable(BATCH[view]) for view in ("weak", "strong"))
    with tf.GradientTape() as tape:
        step = model.scheme_step({**BATCH, "weak": weak, "strong": strong}, LABELS)
    of_weak, of_strong = tape.gradient(step.losses["unlabeled"], (weak, strong))
    assert of_weak is None or not np.any(of_weak)
    assert np.abs(of_strong).max() > 0.01


def test_the_temperature_of_uda_changes_its_target():
    """A public port passes probabilities through unchanged: T is ignored there."""
    losses = [
        float(
            UDA(logits_classifier(), threshold=0.0, temperature=t)
            .scheme_step(BATCH, LABELS)
            .losses["unlabeled"]
        )
        for t in (0.4, 1.0)
    ]
    assert abs(losses[0] - losses[1]) > 0.1


def test_training_signal_annealing_looks_at_the_true_class():
    model = in_a_run(UDA(logits_classifier(), tsa="linear"), 0.05)
    step = model.scheme_step(BATCH, LABELS)
    eta = 0.05 * (1 - 1 / 3) + 1 / 3
    of_true = softmax(LOGITS["image"])[np.arange(4), LABELS]
    kept = of_true <= eta
    assert 0 < kept.sum() < 4
    expected = (-np.log(of_true) * kept).sum() / kept.sum()  # over those kept
    np.testing.assert_allclose(step.losses["supervised"], expected, rtol=1e-5)


def test_training_signal_annealing_may_leave_nobody():
    sure = as_images([[9.0, 0, 0]] * 4)
    model = in_a_run(UDA(logits_classifier(), tsa="exp"), 0.0)
    image = tf.Variable(sure)
    with tf.GradientTape() as tape:
        step = model.scheme_step({**BATCH, "image": image}, np.zeros(4, np.int32))
        loss = step.losses["supervised"]
    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, image), np.zeros((4, 1, 1, 3)))


@pytest.mark.parametrize(
    ("shape", "middle"),
    [("linear", 0.5), ("exp", np.exp(-2.5)), ("log", 1 - np.exp(-2.5))],
)
def test_tsa_shapes(shape, middle):
    expected = middle * 6 / 7 + 1 / 7
    np.testing.assert_allclose(tsa_threshold(0.5, 7, shape), expected, rtol=1e-6)
    np.testing.assert_allclose(tsa_threshold(1.0, 7, shape), 1.0, atol=0.01)


def test_uda_presets_and_what_it_refuses():
    assert UDA(logits_classifier()).threshold == 0.8
    fixmatch = UDA(logits_classifier(), preset="fixmatch")
    assert (fixmatch.temperature, fixmatch.threshold) == (1.0, 0.95)
    with pytest.raises(
        ValueError, match="`tsa` must be None or one of linear, exp, log"
    ):
        UDA(logits_classifier(), tsa="cosine")
    with pytest.raises(ValueError, match="`temperature` must be more than 0"):
        UDA(logits_classifier(), temperature=0)
