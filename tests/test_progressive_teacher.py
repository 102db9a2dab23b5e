"""Progressive Teacher: what it drops."""

import numpy as np
import pytest
from support.logits_batch import BATCH, LABELS, LOGITS, cross_entropies, in_a_run
from support.toys import (
    logits_classifier,
    softmax,
)

from kerasfer.schemes import (
    MeanTeacher,
    ProgressiveTeacher,
)


def test_progressive_teacher_drops_the_faces_its_teacher_finds_wrong():
    model = ProgressiveTeacher(logits_classifier(), drop=0.5, drop_ramp=0.4)
    losses = cross_entropies(np.eye(3)[LABELS], LOGITS["image"])
    for share, kept in [(0.0, 4), (0.2, 3), (0.4, 2), (1.0, 2)]:
        # R = 1 - .5 min(t / .4, 1): 1, .75, .5, .5 of four faces.
        step = in_a_run(model, share).scheme_step(BATCH, LABELS)
        expected = np.sort(losses)[:kept].mean()
        np.testing.assert_allclose(step.losses["supervised"], expected, rtol=1e-5)
    error = ((softmax(LOGITS["weak"]) - softmax(LOGITS["weak_2"])) ** 2).mean()
    np.testing.assert_allclose(step.losses["unlabeled"], error, rtol=1e-5)


def test_progressive_teacher_without_dropping_is_mean_teacher():
    ours = ProgressiveTeacher(logits_classifier(), drop=0.0)
    theirs = MeanTeacher(logits_classifier())
    ours, theirs = (m.scheme_step(BATCH, LABELS).losses for m in (ours, theirs))
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6)
    with pytest.raises(ValueError, match="drop in .0, 1. and ema_decay > 0"):
        ProgressiveTeacher(logits_classifier(), drop=1.0)
