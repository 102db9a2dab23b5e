"""Pseudo-Label against its equation."""

import numpy as np
import pytest
import tensorflow as tf
from support.logits_batch import BATCH, LABELS, LOGITS, SUPERVISED, in_a_run
from support.toys import (
    logits_classifier,
    softmax,
)

from kerasfer.schemes import (
    PseudoLabel,
)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.0, 1.1])
def test_pseudo_label(threshold):
    model = in_a_run(PseudoLabel(logits_classifier(), threshold=threshold), 0.1)
    step = model.scheme_step(BATCH, LABELS)
    probs = softmax(LOGITS["weak"])
    own = -np.log(probs.max(-1))  # H(argmax p, p) = -log max p
    kept = probs.max(-1) >= threshold
    expected = 0.25 * (own * kept).sum() / 4  # a tenth of the run: .1 / .4 of the ramp
    np.testing.assert_allclose(step.losses["unlabeled"], expected, rtol=1e-5)
    np.testing.assert_allclose(step.losses["supervised"], SUPERVISED, rtol=1e-5)


def test_pseudo_label_masks_faces_and_not_the_mean():
    """Public codes broadcast (B, 1) with (B,): mean(loss) mean(mask), on all faces."""
    model = PseudoLabel(logits_classifier(), threshold=0.9)
    step = model.scheme_step(BATCH, LABELS)
    own = -np.log(softmax(LOGITS["weak"]).max(-1))
    assert step.pseudo.mask.shape == (4,)
    broadcast = own.mean() * 0.25
    assert abs(float(step.losses["unlabeled"]) - own[0] / 4) < 1e-6
    assert abs(broadcast - own[0] / 4) > 0.05
    weak = tf.Variable(tf.cast(BATCH["weak"], tf.float32))
    with tf.GradientTape() as tape:
        loss = model.scheme_step({**BATCH, "weak": weak}, LABELS).losses["unlabeled"]
    moved = np.abs(tape.gradient(loss, weak)).max((1, 2, 3))
    assert moved[0] > 0 and (moved[1:] == 0).all()


def test_the_papers_pseudo_label_has_no_threshold():
    model = PseudoLabel(logits_classifier(), preset="paper")
    assert model.scheme_step(BATCH, LABELS).pseudo.mask.numpy().all()
    assert model.weights_of_losses["unlabeled"] == 3.0
