"""A batch whose images are logits, and what schemes do to it by loops."""

import numpy as np

from support.toys import (
    as_images,
    softmax,
)

RNG = np.random.default_rng(0)
LOGITS = {
    "image": RNG.normal(size=(4, 3)),
    # Confidences .95, .84, .53 and .46.
    "weak": np.array([[3.7, 0, 0], [0, 2.4, 0], [0.8, 0, 0], [0, 0, 0.5]]),
    "weak_2": RNG.normal(size=(4, 3)),
    "strong": RNG.normal(size=(4, 3)),
    "strong_2": RNG.normal(size=(4, 3)),
}
BATCH = {name: as_images(values) for name, values in LOGITS.items()}
LABELS = np.array([2, 0, 1, 1], np.int32)


def cross_entropies(targets, logits):
    return np.array(
        [-(t * np.log(softmax(z))).sum() for t, z in zip(targets, logits, strict=True)]
    )


SUPERVISED = cross_entropies(np.eye(3)[LABELS], LOGITS["image"]).mean()


def in_a_run(model, share):
    """The model at a share of its run."""
    model.steps_of_run.assign(100.0)
    model.steps_done.assign(100.0 * share)
    return model


def with_mix_draws(count, weight=None):
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 1, count) if weight is None else np.full(count, weight)
    return {
        "mix_weight": weights.astype(np.float32),
        "mix_key": rng.random(count).astype(np.float32),
    }


def mixed_by_loops(logits, targets, rng):
    order = np.argsort(rng["mix_key"])
    out_logits, out_targets = [], []
    for i, w in enumerate(rng["mix_weight"]):
        out_logits.append(w * logits[i] + (1 - w) * logits[order[i]])
        out_targets.append(w * targets[i] + (1 - w) * targets[order[i]])
    return np.array(out_logits), np.array(out_targets)


def sharpened(probs, temperature):
    powers = probs ** (1 / temperature)
    return powers / powers.sum(-1, keepdims=True)


def apply(updates):
    for variable, value in updates:
        variable.assign(value)
