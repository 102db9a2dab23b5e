"""ReMixMatch against its equation."""

import keras
import numpy as np
import pytest
from support.logits_batch import (
    LABELS,
    LOGITS,
    RNG,
    cross_entropies,
    in_a_run,
    mixed_by_loops,
    sharpened,
    with_mix_draws,
)
from support.toys import (
    dense_classifier,
    softmax,
)

from kerasfer.schemes import (
    ReMixMatch,
)
from kerasfer.schemes.remixmatch import quarter_turns
from kerasfer.targets.pseudo_labels import distribution_alignment


def square_logits_classifier():
    """Images of 2 by 2 pixels; the first pixel is the logits, the second another's."""
    images = keras.Input((2, 2, 3))
    logits = images[:, 0, 0]
    probs = keras.layers.Activation("softmax")(logits)
    return keras.Model(images, {"embedding": logits, "logits": logits, "probs": probs})


def test_remixmatch():
    model = in_a_run(ReMixMatch(square_logits_classifier()), 0.4)  # half of the ramp
    kernel = RNG.normal(size=(3, 4)).astype(np.float32)
    model.classifier.get_layer("rotation_logits").set_weights([kernel, np.zeros(4)])
    model.labeled_share.assign([0.5, 0.3, 0.2])
    predicted = RNG.dirichlet([1, 1, 1], 128).astype(np.float32)
    model.predicted.assign(predicted)
    pixels = {v: RNG.normal(size=(4, 2, 2, 3)).astype(np.float32) for v in LOGITS}
    rng = with_mix_draws(16)
    step = model.scheme_step({**pixels, **rng}, LABELS)

    first = {view: images[:, 0, 0] for view, images in pixels.items()}
    weak = softmax(first["weak"])
    ratio = (np.array([0.5, 0.3, 0.2]) + 1e-6) / (predicted.mean(0) + 1e-6)
    guess = weak * ratio / (weak * ratio).sum(-1, keepdims=True)
    q = sharpened(guess, 0.5)
    logits = np.concatenate([first[v] for v in ("image", "weak", "strong", "strong_2")])
    targets = np.concatenate([np.eye(3)[LABELS], q, q, q])
    logits, targets = mixed_by_loops(logits, targets, rng)
    turned = [np.rot90(pixels["strong"][i], i)[0, 0] @ kernel for i in range(4)]
    expected = {
        "supervised": cross_entropies(targets[:4], logits[:4]).mean(),
        "unlabeled": 0.5 * cross_entropies(targets[4:], logits[4:]).mean(),
        "anchor": 0.5 * cross_entropies(q, first["strong"]).mean(),
        "rotation": cross_entropies(np.eye(4), turned).mean(),
    }
    assert step.losses.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(step.losses[name], value, rtol=1e-5, err_msg=name)
    # The oldest batch leaves the memory, this one's unaligned mean enters.
    moved = {id(variable): np.asarray(value) for variable, value in step.updates}
    memory = np.concatenate([predicted[1:], weak.mean(0, keepdims=True)])
    np.testing.assert_allclose(moved[id(model.predicted)], memory, rtol=1e-5)
    share = 0.999 * np.array([0.5, 0.3, 0.2]) + 0.001 * np.array([0.25, 0.5, 0.25])
    np.testing.assert_allclose(moved[id(model.labeled_share)], share, rtol=1e-6)


def test_alignment():
    probs = RNG.dirichlet([1, 2, 3], 5)
    mean = probs.mean(0)
    np.testing.assert_allclose(
        distribution_alignment(probs, mean, mean), probs, rtol=1e-6
    )
    shifted = np.asarray(distribution_alignment(probs, [0.0, 0.5, 0.5], mean))
    np.testing.assert_allclose(shifted.sum(-1), np.ones(5), rtol=1e-6)
    assert (shifted[:, 0] < 1e-4).all()
    never = np.asarray(
        distribution_alignment(probs, mean, [0.0, 0.5, 0.5])
    )  # class 0 not predicted
    assert np.isfinite(never).all() and (never[:, 0] > 0.99).all()


def test_quarter_turns():
    images = RNG.integers(0, 256, (6, 5, 5, 3)).astype(np.uint8)
    turned, turns = quarter_turns(images)
    np.testing.assert_array_equal(turns, [0, 1, 2, 3, 0, 1])
    for i in range(6):
        np.testing.assert_array_equal(turned[i], np.rot90(images[i], i % 4))


def test_what_remixmatch_refuses():
    with pytest.raises(ValueError, match="square images. .*images 4 x 6"):
        images = keras.Input((4, 6, 3))
        flat = keras.layers.Flatten()(images)
        logits = keras.layers.Dense(3)(flat)
        probs = keras.layers.Activation("softmax")(logits)
        outputs = {"embedding": flat, "logits": logits, "probs": probs}
        ReMixMatch(keras.Model(images, outputs))
    with pytest.raises(ValueError, match="3 shares that sum to 1"):
        ReMixMatch(dense_classifier(), class_distribution=[0.5, 0.6, 0.1])
