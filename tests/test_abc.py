"""ABC against the authors' code, by loops; and with other plug-ins."""

import numpy as np
import pytest
import tensorflow as tf
from support.imbalanced_batch import BATCH, COUNTS, LABELS, LOGITS
from support.toys import dense_classifier, logits_classifier, random_faces, softmax

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.plug_ins import ABC, Adsh
from kerasfer.schemes import AdaCM, FixMatch, Supervised
from kerasfer.training import Step

RNG = np.random.default_rng(0)
HEAD = RNG.normal(size=(3, 3)).astype(np.float32)
DRAWS = {
    "uniform_labeled": np.array([0.1, 0.6, 0.2, 0.9], np.float32),
    "uniform_unlabeled": np.array([0.3, 0.5, 0.7, 0.9], np.float32),
}


def abc_on_logits(threshold=0.5):
    plug_in = ABC(COUNTS, threshold)
    model = FixMatch(logits_classifier(), threshold=0.8, plug_ins=(plug_in,))
    plug_in.head.set_weights([HEAD, np.zeros(3)])
    return model, plug_in


def abc_by_loops(threshold, progress):
    """The author's code, one face at a time."""
    heads = {view: logits @ HEAD for view, logits in LOGITS.items()}
    labeled = unlabeled = 0.0
    for i in range(4):
        accepted = DRAWS["uniform_labeled"][i] < 2 / COUNTS[LABELS[i]]
        labeled -= accepted * np.log(softmax(heads["image"][i])[LABELS[i]]) / 4
        q = softmax(heads["weak"][i])
        chance = 1 - progress * (1 - 2 / COUNTS[q.argmax()])
        accepted = DRAWS["uniform_unlabeled"][i] < chance and q.max() >= threshold
        for view in ("strong", "strong_2"):
            soft = -(q * np.log(softmax(heads[view][i]))).sum()
            unlabeled += accepted * soft / 4
    return {"abc_labeled": labeled, "abc_unlabeled": unlabeled}


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.1])
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_abc_is_the_equation(threshold, progress):
    model, plug_in = abc_on_logits(threshold)
    step = model._whole_step(BATCH, LABELS)
    losses = plug_in.losses_of(step._replace(batch=DRAWS, progress=progress))
    for name, expected in abc_by_loops(threshold, progress).items():
        np.testing.assert_allclose(losses[name], expected, rtol=1e-5, err_msg=name)


def test_targets_of_abc_are_soft_and_constant():
    """A public port trains on the argmax of q instead."""
    model, plug_in = abc_on_logits(threshold=0.0)
    weak = tf.Variable(tf.cast(BATCH["weak"], tf.float32))
    with tf.GradientTape() as tape:
        step = model._whole_step({**BATCH, "weak": weak}, LABELS)
        losses = plug_in.losses_of(step._replace(batch=DRAWS, progress=0.0))
    assert tape.gradient(losses["abc_unlabeled"], weak) is None
    hard = 0.0
    for i in range(4):
        k = (LOGITS["weak"][i] @ HEAD).argmax()
        for view in ("strong", "strong_2"):
            hard -= np.log(softmax(LOGITS[view][i] @ HEAD)[k]) / 4
    assert abs(float(losses["abc_unlabeled"]) - hard) > 0.05


def test_abc_is_what_is_predicted_and_the_first_head_what_is_pseudo_labelled():
    model, _ = abc_on_logits()
    step = model.scheme_step(BATCH, LABELS)
    np.testing.assert_array_equal(
        step.pseudo.labels, softmax(LOGITS["weak"]).argmax(-1)
    )
    np.testing.assert_array_equal(step.pseudo.mask, [1, 1, 0, 0])
    predicted = model.classifier(BATCH["image"])["probs"]
    np.testing.assert_allclose(predicted, softmax(LOGITS["image"] @ HEAD), rtol=1e-5)


def test_abc_accepts_each_class_as_often_as_the_smallest():
    """Over many draws: acceptance N_min / N_y times N_y faces is N_min for each."""
    labels = np.repeat([0, 1, 2], COUNTS * 1000).astype(np.int32)
    plug_in = ABC(COUNTS)
    ones = {"abc_logits": tf.zeros((len(labels), 3))}
    few = {"abc_logits": tf.zeros((1, 3))}
    rng = {
        "uniform_labeled": RNG.random(len(labels)).astype(np.float32),
        "uniform_unlabeled": np.zeros(1, np.float32),
    }
    outputs = {"image": ones, "weak": few, "strong": few, "strong_2": few}
    accepted = rng["uniform_labeled"] < plug_in.acceptance[labels]
    np.testing.assert_allclose(np.bincount(labels[accepted]), [2000] * 3, rtol=0.06)
    step = Step({}, labels, outputs, batch=rng, progress=1.0)
    loss = plug_in.losses_of(step)["abc_labeled"]
    np.testing.assert_allclose(loss, np.log(3) * accepted.mean(), rtol=1e-4)


def test_abc_works_on_labels_alone_and_on_ada_cm():
    faces = random_faces(12, side=4)
    for scheme in (Supervised, AdaCM):
        model = scheme(dense_classifier(), plug_ins=(ABC([4, 4, 4], 0.0),))
        model.compile("adam")
        logs = model.fit(
            training_dataset(faces, faces, model.all_views, 4),
            steps_per_epoch=2,
            verbose=0,
            callbacks=[EpochUpdate(evaluation_dataset(faces))],
        ).history
        assert logs["abc_unlabeled_loss"][0] > 0


def test_plug_ins_stack_in_order():
    """ABC's head predicts, Adsh's thresholds pseudo-label by the first head."""
    adsh = Adsh(COUNTS, threshold=0.9)
    model = FixMatch(
        logits_classifier(), threshold=0.1, plug_ins=(adsh, ABC(COUNTS, 0.5))
    )
    step = model.scheme_step(BATCH, LABELS)
    probs = softmax(LOGITS["weak"])
    np.testing.assert_array_equal(step.pseudo.labels, probs.argmax(-1))
    np.testing.assert_array_equal(step.pseudo.mask, probs.max(-1) >= 0.9)
