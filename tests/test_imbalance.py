"""Methods for imbalanced labels against their equations."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import (
    as_images,
    dense_classifier,
    logits_classifier,
    map_classifier,
    random_faces,
    softmax,
)

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.plug_ins import ABC, Adsh, InPL
from kerasfer.plug_ins.adsh import adaptive_thresholds
from kerasfer.plug_ins.inpl import energy
from kerasfer.schemes import CPE, AdaCM, FixMatch, Supervised
from kerasfer.training import Step

RNG = np.random.default_rng(0)
LOGITS = {
    "image": RNG.normal(size=(4, 3)),
    "weak": np.array([[3.7, 0, 0], [0, 2.4, 0], [0.8, 0, 0], [0, 0, 0.5]]),
    "strong": RNG.normal(size=(4, 3)),
    "strong_2": RNG.normal(size=(4, 3)),
}
BATCH = {name: as_images(values) for name, values in LOGITS.items()}
LABELS = np.array([2, 0, 1, 1], np.int32)


# --- ABC ------------------------------------------------------------------------------

HEAD = RNG.normal(size=(3, 3)).astype(np.float32)
DRAWS = {
    "uniform_labeled": np.array([0.1, 0.6, 0.2, 0.9], np.float32),
    "uniform_unlabeled": np.array([0.3, 0.5, 0.7, 0.9], np.float32),
}
COUNTS = np.array([8, 4, 2])


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


@pytest.mark.parametrize("wrong", [[1, 0, 2], [], [[1, 2], [3, 4]]])
def test_counts_must_be_positive_one_a_class(wrong):
    for plug_in in (ABC, Adsh):
        with pytest.raises(ValueError, match="labelled faces of each class"):
            plug_in(wrong)
    with pytest.raises(ValueError, match="4 entries, the classifier 3 classes"):
        FixMatch(dense_classifier(), plug_ins=(ABC([1, 2, 3, 4]),))
    with pytest.raises(ValueError, match="2 entries, the classifier 3 classes"):
        FixMatch(dense_classifier(), plug_ins=(Adsh([1, 2]),))
    with pytest.raises(ValueError, match="2 entries, the classifier 3 classes"):
        CPE(map_classifier(), [1, 2])


# --- Adsh -----------------------------------------------------------------------------


def adsh_by_loops(probs, thresholds, largest, tau):
    """The authors' algorithm, with sorted lists."""
    lists = {k: [] for k in range(probs.shape[1])}
    for p in probs:
        lists[int(p.argmax())].append(float(p.max()))
    for values in lists.values():
        values.sort(reverse=True)
    passing = [c for c in lists[largest] if c >= tau]
    if not passing:
        return list(thresholds)
    rho = len(passing) / len(lists[largest])
    adapted = list(thresholds)
    for k, values in lists.items():
        if k != largest and values:
            adapted[k] = min(tau, values[max(0, round(len(values) * rho - 1))])
    return adapted


@pytest.mark.parametrize("largest", [0, 1, 3])
def test_thresholds_of_adsh_are_the_algorithm(largest):
    probs = softmax(RNG.normal(0, 3, size=(200, 4)))
    start = np.array([0.95, 0.7, 0.8, 0.9])
    adapted = adaptive_thresholds(probs, start, largest, 0.95)
    np.testing.assert_allclose(adapted, adsh_by_loops(probs, start, largest, 0.95))
    assert (adapted <= 0.95).all() and adapted[largest] == start[largest]
    # Each class keeps about the share that the largest one keeps.
    predicted, confidence = probs.argmax(-1), probs.max(-1)
    rho = (confidence[predicted == largest] >= 0.95).mean()
    for k in set(range(4)) - {largest}:
        of_class = confidence[predicted == k]
        if adapted[k] < 0.95:
            kept = (of_class >= adapted[k]).mean()
            assert abs(kept - rho) <= 1.0 / len(of_class)


def test_a_tiny_class_gets_its_most_confident_face_not_its_least():
    """round(n rho - 1) below 0: a public port then reads index -1, the lowest."""
    head = [[0.96, 0.04]] + [[0.6, 0.4]] * 19  # rho = 1 / 20
    tail = [[0.1, 0.9], [0.45, 0.55]]  # 2 rho - 1 < 0
    adapted = adaptive_thresholds(
        np.array(head + tail), np.array([0.95, 0.95]), 0, 0.95
    )
    np.testing.assert_allclose(adapted, [0.95, 0.9])


def test_classes_without_predictions_and_a_head_that_is_never_sure():
    start = np.array([0.95, 0.8, 0.7])
    sure = np.array([[0.97, 0.02, 0.01], [0.3, 0.6, 0.1]])
    np.testing.assert_allclose(
        adaptive_thresholds(sure, start, 0, 0.95), [0.95, 0.6, 0.7]
    )
    unsure = np.array([[0.9, 0.05, 0.05], [0.3, 0.6, 0.1]])
    np.testing.assert_array_equal(adaptive_thresholds(unsure, start, 0, 0.95), start)


def test_pseudo_labels_of_adsh_are_rectified():
    plug_in = Adsh(COUNTS)
    # A public port starts at exp(-0.95) = 0.387.
    np.testing.assert_allclose(plug_in.thresholds, [0.95] * 3, rtol=1e-6)
    plug_in.thresholds.assign([0.95, 0.5, 0.3])
    probs = np.array([[0.6, 0.39, 0.01], [0.96, 0.04, 0.0], [0.5, 0.2, 0.3]])
    labels, mask = plug_in.select({}, None, tf.constant(probs, tf.float32))
    # p / tau: (.63, .78, .03), (1.01, .08, 0), (.53, .4, 1.0).
    np.testing.assert_array_equal(labels, [1, 0, 2])
    np.testing.assert_array_equal(mask, [0, 1, 1])


def test_the_largest_class_of_adsh_is_that_of_most_labels():
    """Not class 0: in RAF-DB's order that is surprise."""
    assert Adsh([3, 9, 2]).largest == 1


def test_adsh_measures_from_the_second_epoch_by_the_online_weights():
    faces = random_faces(30, side=4)
    plug_in = Adsh([10, 10, 10], threshold=0.4)
    model = FixMatch(dense_classifier(), plug_ins=(plug_in,))
    for weight in model.ema_classifier.weights:
        weight.assign(weight * 0.0)
    data = evaluation_dataset(faces, 7)
    plug_in.epoch_end(model, data, data)
    np.testing.assert_allclose(plug_in.thresholds, [0.4] * 3, rtol=1e-6)
    plug_in.epoch_end(model, data, data)
    probs = np.asarray(model.classifier(faces.images)["probs"])
    expected = adsh_by_loops(probs, [0.4] * 3, 0, 0.4)
    np.testing.assert_allclose(plug_in.thresholds, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="Adsh needs the unlabelled faces"):
        plug_in.epoch_end(model, data, None)
    with pytest.raises(ValueError, match="must be in .0, 1.. Received: 1.5"):
        Adsh([1, 2], threshold=1.5)


# --- InPL -----------------------------------------------------------------------------


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


# --- CPE ------------------------------------------------------------------------------


def cpe(counts=(8, 2, 4), **options):
    options = {"threshold": 0.4, "cuts": (1, 2), **options}
    return CPE(map_classifier(), counts, **options)


def test_cpe_is_the_equation():
    model = cpe()
    faces = random_faces(8, side=4)
    views = {
        "image": faces.images[:4],
        "weak": faces.images,
        "strong": faces.images[::-1],
    }
    labels = faces.labels[:4].astype(np.int32)
    start = model.classifier.get_weights()
    step = model.scheme_step(views, labels)
    expert = {v: np.asarray(o["expert_logits"]) for v, o in step.outputs.items()}
    assert expert["weak"].shape == (8, 3, 3, 3)

    pi, rank = np.array([8, 2, 4]) / 14, [0, 2, 1]  # class 1 is the rarest
    supervised = unlabeled = 0.0
    for j, tau in enumerate((0.0, 2.0, 4.0)):
        z = expert["image"][:, j].mean(1) + tau * np.log(pi)
        supervised -= np.log(softmax(z)[np.arange(4), labels]).mean()
        total = count = 0.0
        for b in range(8):
            p = softmax(expert["weak"][b, j].mean(0))
            c = int(p.argmax())
            for part, cut in enumerate((0, 1, 2)):
                if p.max() >= 0.4 and rank[c] >= cut:
                    total -= np.log(softmax(expert["strong"][b, j, part])[c])
                    count += 1
        unlabeled += total / max(count, 1)  # over the selected terms, not the batch
    np.testing.assert_allclose(step.losses["supervised"], supervised, rtol=1e-4)
    np.testing.assert_allclose(step.losses["unlabeled"], unlabeled, rtol=1e-4)
    model.classifier.set_weights(start)


def test_cpe_predicts_by_its_second_expert_without_adjustment():
    model = cpe()
    faces = random_faces(5, side=4)
    outputs = model.classifier(faces.images)
    second = np.asarray(outputs["expert_logits"])[:, 1].mean(1)
    np.testing.assert_allclose(outputs["logits"], second, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs["probs"], softmax(second), rtol=1e-4)


def test_a_head_class_moves_the_first_normalisation_alone():
    """Of unlabelled faces: rank 0 is in neither the medium nor the tail part."""
    model = cpe(threshold=0.0, counts=(8, 2, 4))
    faces = random_faces(4, side=4)
    for number in (1, 2, 3):  # every face is predicted to be of class 0
        expert = model.classifier.get_layer(f"expert_{number}")
        kernel, _ = expert.get_weights()
        expert.set_weights([kernel, np.array([50.0, 0, 0])])
    views = dict.fromkeys(("image", "weak", "strong"), faces.images)
    with tf.GradientTape() as tape:
        loss = model.scheme_step(views, np.zeros(4, np.int32)).losses["unlabeled"]
    gammas = [
        model.classifier.get_layer(f"norm_{part}").gamma
        for part in ("head", "medium", "tail")
    ]
    gradients = tape.gradient(
        loss, gammas, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    moved = [float(tf.reduce_max(tf.abs(g))) for g in gradients]
    assert moved[1] == moved[2] == 0.0
    np.testing.assert_array_equal(model.parts, [[1, 1, 1], [0, 1, 1], [0, 1, 0]])


def test_cpe_without_a_confident_face():
    model = cpe(threshold=1.1)
    faces = random_faces(4, side=4)
    views = dict.fromkeys(("image", "weak", "strong"), faces.images)
    with tf.GradientTape() as tape:
        losses = model.scheme_step(views, faces.labels.astype(np.int32)).losses
        total = tf.add_n(list(losses.values()))
    assert float(losses["unlabeled"]) == 0.0
    for gradient in tape.gradient(total, model.trainable_variables):
        assert np.isfinite(tf.convert_to_tensor(gradient).numpy()).all()


def test_cpe_needs_a_map():
    with pytest.raises(ValueError, match="no layer `feature_map`"):
        CPE(dense_classifier(), [1, 2, 3])


def test_adjustments_of_rare_classes_stay_finite():
    model = CPE(map_classifier(), [877, 3, 1])
    assert np.isfinite(model.shifts).all()
    np.testing.assert_allclose(model.shifts[2, 1], 4 * np.log(3 / 881), rtol=1e-6)


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


def test_all_train_under_float16():
    faces = random_faces(12, side=4)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = CPE(map_classifier(dtype="mixed_float16"), [4, 4, 4], threshold=0.3)
        model.compile(keras.optimizers.SGD(0.05))
        logs = model.fit(
            training_dataset(faces, faces, model.all_views, 4),
            steps_per_epoch=3,
            verbose=0,
        ).history
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(logs["loss"][0])
