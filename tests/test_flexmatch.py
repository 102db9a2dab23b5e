"""FlexMatch against its equation."""

import numpy as np
import pytest
from support.logits_batch import BATCH, LABELS, LOGITS, apply, cross_entropies
from support.toys import (
    logits_classifier,
    softmax,
)

from kerasfer.schemes import (
    FixMatch,
    FlexMatch,
)


def flexmatch(num_unlabeled=10, **options):
    return FlexMatch(logits_classifier(), num_unlabeled=num_unlabeled, **options)


def test_thresholds_of_flexmatch():
    model = flexmatch(threshold=0.9)
    model.memory.counts.assign([4.0, 1.0, 0.0])  # five of ten never selected
    beta = np.array([4, 1, 0]) / 5
    np.testing.assert_allclose(model.thresholds(), 0.9 * beta / (2 - beta), rtol=1e-6)
    cold = flexmatch(threshold=0.9, warm_up=False)
    cold.memory.counts.assign([4.0, 1.0, 0.0])
    beta = np.array([4, 1, 0]) / 4
    np.testing.assert_allclose(cold.thresholds(), 0.9 * beta / (2 - beta), rtol=1e-6)


@pytest.mark.parametrize("warm_up", [True, False])
def test_flexmatch_starts_by_letting_everything_in(warm_up):
    model = flexmatch(warm_up=warm_up)
    np.testing.assert_array_equal(model.thresholds(), np.zeros(3))
    step = model.scheme_step({**BATCH, "index": np.arange(4)}, LABELS)
    assert step.pseudo.mask.numpy().all()


def test_flexmatch_remembers_by_the_fixed_threshold():
    model = flexmatch(threshold=0.8)
    index = np.array([7, 2, 5, 0], np.int32)
    step = model.scheme_step({**BATCH, "index": index}, LABELS)
    apply(step.updates)
    # Confidences .95 and .84 reach 0.8: faces 7 and 2 are remembered.
    expected = np.full(10, -1)
    expected[7], expected[2] = 0, 1
    np.testing.assert_array_equal(model.memory.labels.numpy(), expected)
    np.testing.assert_array_equal(model.memory.counts, [1, 1, 0])
    # Now beta = (1, 1, 0) / 8: the loss is FixMatch's with these thresholds.
    step = model.scheme_step({**BATCH, "index": index}, LABELS)
    thresholds = 0.8 * np.array([1, 1, 0]) / 8 / (2 - np.array([1, 1, 0]) / 8)
    probs = softmax(LOGITS["weak"])
    kept = probs.max(-1) >= thresholds[probs.argmax(-1)]
    strong = cross_entropies(np.eye(3)[probs.argmax(-1)], LOGITS["strong"])
    np.testing.assert_allclose(step.losses["unlabeled"], (strong * kept).mean(), 1e-5)


def test_flexmatch_of_equal_classes_is_fixmatch():
    model = flexmatch(num_unlabeled=3, threshold=0.9)
    model.memory.counts.assign([1.0, 1.0, 1.0])  # beta 1: T = tau
    fixmatch = FixMatch(logits_classifier(), threshold=0.9)
    ours = model.scheme_step({**BATCH, "index": np.arange(3).repeat(2)[:4]}, LABELS)
    theirs = fixmatch.scheme_step(BATCH, LABELS)
    for name, value in theirs.losses.items():
        np.testing.assert_allclose(ours.losses[name], value, rtol=1e-6)
