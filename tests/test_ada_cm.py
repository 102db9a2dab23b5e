"""Ada-CM against its equations, on images that are logits."""

import numpy as np
import pytest
import tensorflow as tf
from support.toys import (
    as_images,
    dense_classifier,
    logits_classifier,
    random_faces,
    softmax,
)
from test_contrastive_and_simplex import info_nce_by_loops

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import AdaCM

RNG = np.random.default_rng(0)
LOGITS = {
    "image": RNG.normal(size=(2, 3)),
    # Mean confidences .88 of class 0, .85 of class 1, and two unsure faces.
    "weak": np.array([[3.0, 0, 0], [0, 3, 0], [0.3, 0, 0.1], [0, 0, 0.6]]),
    "weak_2": np.array([[2.5, 0, 0], [0, 2, 0], [0, 0.2, 0.3], [0.1, 0, 0.9]]),
    "strong": RNG.normal(size=(4, 3)),
}
BATCH = {name: as_images(values) for name, values in LOGITS.items()}
LABELS = tf.constant([2, 0])


def ada_cm_by_loops(margins, unlabeled_mean, symmetric, temperature):
    """Section 3.2 of the paper, one face at a time."""
    p = [
        (softmax(a) + softmax(b)) / 2
        for a, b in zip(LOGITS["weak"], LOGITS["weak_2"], strict=True)
    ]
    guesses = [int(np.argmax(q)) for q in p]
    sure = [q[c] >= margins[c] for q, c in zip(p, guesses, strict=True)]
    cross_entropies = [
        -np.log(softmax(LOGITS["strong"][i])[guesses[i]]) for i in range(4) if sure[i]
    ]
    contrast = info_nce_by_loops(
        LOGITS["weak"], LOGITS["weak_2"], [not s for s in sure], temperature, symmetric
    )
    unsure = 4 - sum(sure)
    size = 4 if unlabeled_mean == "batch" else max(1, sum(sure))
    return sure, {
        "supervised": -np.log(softmax(LOGITS["image"])[[0, 1], [2, 0]]).mean(),
        "unlabeled": sum(cross_entropies) / size,
        "contrastive": contrast.sum() / max(1, unsure),
    }


@pytest.mark.parametrize(
    ("options", "unlabeled_mean", "symmetric"),
    [
        ({}, "batch", True),
        ({"convention": "paper"}, "subset", False),
        ({"convention": "paper", "unlabeled_mean": "batch"}, "batch", False),
        ({"symmetric": False}, "batch", False),
    ],
)
@pytest.mark.parametrize(
    "margins",
    [
        [0.8, 0.8, 0.8],  # two and two
        [0.8, 0.9, 0.8],  # the threshold is that of the face's own class
        [1.1, 1.1, 1.1],  # subset I is empty
        [0.0, 0.0, 0.0],  # subset II is empty
        [0.8, 0.8, 0.4],  # one in subset II
    ],
)
def test_losses_are_the_equations(options, unlabeled_mean, symmetric, margins):
    model = AdaCM(logits_classifier(), temperature=0.3, **options)
    model.margin.margins.assign(margins)
    step = model.scheme_step(BATCH, LABELS)
    sure, losses = ada_cm_by_loops(margins, unlabeled_mean, symmetric, 0.3)
    np.testing.assert_array_equal(step.pseudo.mask, sure)
    assert step.losses.keys() == losses.keys()
    for name, expected in losses.items():
        np.testing.assert_allclose(
            step.losses[name], expected, rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_gradients_are_finite_whatever_subset_is_empty():
    model = AdaCM(dense_classifier())
    data = training_dataset(*[random_faces(12, side=4)] * 2, model.all_views, 4)
    batch, labels = next(iter(data))
    for margins in ([1.1] * 3, [0.0] * 3):
        model.margin.margins.assign(margins)
        with tf.GradientTape() as tape:
            loss = tf.add_n(list(model.scheme_step(batch, labels).losses.values()))
        for gradient in tape.gradient(loss, model.trainable_variables):
            assert np.isfinite(tf.convert_to_tensor(gradient).numpy()).all()


def test_conventions_set_the_arguments_and_arguments_win():
    assert AdaCM(logits_classifier()).margin.floor == 0.8
    assert AdaCM(logits_classifier(), convention="paper").margin.floor == 0.0
    both = AdaCM(logits_classifier(), convention="paper", floor=0.6)
    assert both.margin.floor == 0.6 and both.symmetric is False
    with pytest.raises(ValueError, match="`convention` must be one of code, paper"):
        AdaCM(logits_classifier(), convention="mine")
    with pytest.raises(ValueError, match="one of batch, subset. Received: 'all'"):
        AdaCM(logits_classifier(), unlabeled_mean="all")


def test_margins_are_measured_by_the_averaged_weights_on_right_predictions():
    faces = random_faces(30, side=4)
    model = AdaCM(dense_classifier(), floor=0.0)
    for weight in model.ema_classifier.weights:
        weight.assign(weight * 1.5)  # differ from the online ones
    model.epoch_end(evaluation_dataset(faces, 7), None)
    probs = np.asarray(model.ema_classifier(faces.images)["probs"])
    for k in range(3):
        right = (faces.labels == k) & (probs.argmax(-1) == k)
        expected = (
            0.97 / (1 + np.exp(-1)) * probs[right, k].mean() if right.any() else 0.8
        )
        np.testing.assert_allclose(model.margin.margins[k], expected, rtol=1e-5)


def test_margins_move_once_an_epoch_and_are_logged():
    faces = random_faces(12, side=4)
    model = AdaCM(dense_classifier(), floor=0.0, initial=0.7)
    model.compile("adam")
    history = model.fit(
        training_dataset(faces, faces, model.all_views, 4),
        epochs=3,
        steps_per_epoch=2,
        verbose=0,
        callbacks=[EpochUpdate(evaluation_dataset(faces))],
    ).history
    assert float(model.margin.measured) == 3
    for k in range(3):  # an epoch's row has the threshold that it used
        assert history[f"margin_{k}"][0] == pytest.approx(0.7)
    assert "mask_rate" in history and "pseudo_label_accuracy" not in history
    with pytest.raises(ValueError, match="EpochUpdate"):
        model.fit(training_dataset(faces, faces, model.all_views, 4), steps_per_epoch=1)


def test_without_pseudo_labels_and_contrast_it_is_half_of_supervised():
    model = AdaCM(
        dense_classifier(), loss_weights={"unlabeled": 0.0, "contrastive": 0.0}
    )
    weights = {n: w for n, w in model.weights_of_losses.items() if w}
    assert weights == {"supervised": 0.5}


def test_the_weight_of_the_contrast_can_rise():
    faces = random_faces(12, side=4)
    model = AdaCM(dense_classifier(), initial=1.0, floor=1.0, contrastive_ramp=0.5)
    data = training_dataset(faces, faces, model.all_views, 6)
    batch, labels = next(iter(data))
    model.steps_of_run.assign(100.0)
    losses = []
    for done in (0.0, 25.0, 50.0, 100.0):
        model.steps_done.assign(done)
        losses.append(float(model.scheme_step(batch, labels).losses["contrastive"]))
    assert losses[0] == 0 < losses[3]
    np.testing.assert_allclose(losses[1:], np.array([0.5, 1, 1]) * losses[3], 1e-5)
    with pytest.raises(ValueError, match="must be in .0, 1.. Received: 2"):
        AdaCM(dense_classifier(), contrastive_ramp=2)
