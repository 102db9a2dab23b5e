"""ReMoP against its equations, on embeddings that are logits."""

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf
from support.toys import (
    as_images,
    dense_classifier,
    logits_classifier,
    random_faces,
    softmax,
)
from test_contrastive_and_simplex import penalty_by_loops

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.plug_ins import ReMoP
from kerasfer.schemes import AdaCM, FixMatch, MixMatch, Supervised

RNG = np.random.default_rng(0)
H = RNG.normal(size=(3, 3)).astype(np.float32)
LOGITS = {
    "image": RNG.normal(size=(2, 3)),
    "weak": np.array([[3.0, 0, 0], [0, 0, 0.1], [0, 2.0, 0]]),
    "strong": RNG.normal(size=(3, 3)),
}
BATCH = {name: as_images(values) for name, values in LOGITS.items()}
LABELS = tf.constant([2, 0])
NONE = 1.1


def fixmatch(threshold, **options):
    plug_in = ReMoP(3, **options)
    model = FixMatch(logits_classifier(), threshold=threshold, plug_ins=(plug_in,))
    plug_in.head.set_prototypes(H)
    return model, plug_in


def remop_by_loops(threshold, convention, beta=0.5):
    """Eq. 5-9, one face at a time; embedding and logits are the same vector."""
    guesses, kept = [], []
    for z in LOGITS["weak"]:
        if convention == "code":
            p = softmax(beta * z + (1 - beta) * H @ z)
        else:
            cosines = [z @ h / np.linalg.norm(z) / np.linalg.norm(h) for h in H]
            p = beta * softmax(z) + (1 - beta) * np.array(cosines)  # Eq. 6: a score
        guesses.append(int(p.argmax()))
        kept.append(p.max() >= threshold)
    pull = [
        ((z - H[y]) ** 2).sum() for z, y in zip(LOGITS["image"], [2, 0], strict=True)
    ]
    unlabeled = [
        ((z - H[c]) ** 2).sum()
        for z, c, k in zip(LOGITS["strong"], guesses, kept, strict=True)
        if k
    ]
    half, count = (1, max(1, sum(kept))) if convention == "code" else (0.5, 3)
    return (
        guesses,
        kept,
        {
            "center": half * np.mean(pull),
            "unlabeled_center": half * sum(unlabeled) / count,
            "simplex": penalty_by_loops(H, convention),
        },
    )


@pytest.mark.parametrize("convention", ["code", "paper"])
@pytest.mark.parametrize("threshold", [0.0, 0.7, NONE])
def test_pseudo_labels_and_losses_are_the_equations(convention, threshold):
    model, plug_in = fixmatch(threshold, convention=convention)
    step = model.scheme_step(BATCH, LABELS)
    guesses, kept, losses = remop_by_loops(threshold, convention)
    np.testing.assert_array_equal(step.pseudo.labels, guesses)
    np.testing.assert_array_equal(step.pseudo.mask, kept)
    ours = plug_in.losses_of(step)
    assert ours.keys() == losses.keys()
    for name, expected in losses.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-5, err_msg=name)


def test_without_a_confident_face_gradients_are_finite():
    model, plug_in = fixmatch(NONE)
    with tf.GradientTape() as tape:
        losses = plug_in.losses_of(model.scheme_step(BATCH, LABELS))
        total = tf.add_n(list(losses.values()))
    assert losses["unlabeled_center"] == 0
    assert np.isfinite(tape.gradient(total, plug_in.head.prototypes).numpy()).all()


def test_prototypes_learn_by_their_own_losses_alone():
    """The scheme's cross-entropy moves the classifier, not the prototypes."""
    model, plug_in = fixmatch(0.0)
    with tf.GradientTape() as tape:
        losses = model.scheme_step(BATCH, LABELS).losses
        total = tf.add_n(list(losses.values()))
    assert tape.gradient(total, plug_in.head.prototypes) is None


def test_the_mixture_is_what_predict_evaluate_and_the_classifier_give():
    faces = random_faces(20, side=4)
    remop = ReMoP(3, beta=0.25)
    model = FixMatch(dense_classifier(), plug_ins=(remop,))
    metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    model.compile("adam", metrics=metrics)
    outputs = model.inference_classifier(faces.images)
    f, z = np.asarray(outputs["embedding"]), np.asarray(outputs["logits"])
    similarity = f @ remop.head.prototypes.numpy().T
    probs = softmax(0.25 * z + 0.75 * similarity)
    predicted = model.predict(evaluation_dataset(faces), verbose=0)
    np.testing.assert_allclose(predicted, probs, rtol=1e-4)
    logs = model.evaluate(evaluation_dataset(faces, 7), verbose=0, return_dict=True)
    kinds = {"linear": z, "feature": similarity, "mixture": probs}
    for name, scores in kinds.items():
        guesses = scores.argmax(-1)
        expected = {
            "accuracy": (guesses == faces.labels).mean(),
            "mean_class_accuracy": sklearn.metrics.balanced_accuracy_score(
                faces.labels, guesses
            ),
            "f1": sklearn.metrics.f1_score(faces.labels, guesses, average="macro"),
        }
        for score, value in expected.items():
            np.testing.assert_allclose(logs[f"{name}_{score}"], value, rtol=1e-6)
    assert logs["accuracy"] == pytest.approx(logs["mixture_accuracy"])
    assert not [name for name in logs if "pseudo" in name]


def test_training_logs_the_f1_of_three_kinds_of_pseudo_label():
    faces = random_faces(12, side=4)
    model = FixMatch(dense_classifier(), plug_ins=(ReMoP(3),))
    model.compile(keras.optimizers.SGD(0.0))
    data = training_dataset(faces, faces, (*model.all_views, "audit_label"), 12)
    batch, _label = next(iter(data))
    outputs = model.classifier(batch["weak"])
    logs = model.fit(data, steps_per_epoch=1, verbose=0).history
    for name, key in [("linear", "linear_probs"), ("mixture", "probs")]:
        guesses = np.asarray(outputs[key]).argmax(-1)
        expected = sklearn.metrics.f1_score(
            batch["audit_label"], guesses, average="macro"
        )
        np.testing.assert_allclose(logs[f"{name}_pseudo_f1"], [expected], rtol=1e-6)
    unaudited = training_dataset(faces, faces, model.all_views, 12)
    logs = model.fit(unaudited, steps_per_epoch=1, verbose=0).history
    assert not [name for name in logs if "pseudo" in name] and "mask_rate" in logs


@pytest.mark.parametrize(
    ("scheme", "expected"), [(FixMatch, 0.2), (AdaCM, 1.0), (MixMatch, 20.0)]
)
def test_the_weight_of_unlabeled_faces(scheme, expected):
    """0.2 is of the authors' FixMatch; other schemes keep their own weight."""
    weights = scheme(dense_classifier(), plug_ins=(ReMoP(3),)).weights_of_losses
    assert weights["unlabeled"] == pytest.approx(expected)
    assert (weights["center"], weights["simplex"]) == (1e-4, 0.1)
    alone = scheme(dense_classifier()).weights_of_losses["unlabeled"]
    paper = scheme(dense_classifier(), plug_ins=(ReMoP(3, convention="paper"),))
    assert paper.weights_of_losses["unlabeled"] == alone
    half = scheme(dense_classifier(), plug_ins=(ReMoP(3, unlabeled_factor=0.5),))
    assert half.weights_of_losses["unlabeled"] == pytest.approx(0.5 * alone)
    own = scheme(
        dense_classifier(), plug_ins=(ReMoP(3),), loss_weights={"unlabeled": 0.7}
    )
    assert own.weights_of_losses["unlabeled"] == 0.7


def test_supervised_has_no_unlabeled_center():
    model = Supervised(dense_classifier(), plug_ins=(ReMoP(3),))
    model.compile("adam")
    assert "unlabeled" not in model.weights_of_losses
    faces = random_faces(12, side=4)
    logs = model.fit(
        training_dataset(faces, batch_size=4), steps_per_epoch=2, verbose=0
    ).history
    assert logs["unlabeled_center_loss"] == [0.0] and logs["center_loss"][0] > 0


def test_prototypes_from_labeled_means():
    faces = random_faces(12, side=4)
    remop = ReMoP(3, center_init="labeled_mean")
    model = Supervised(dense_classifier(), plug_ins=(remop,))
    model.compile(keras.optimizers.SGD(0.0))
    linear = model.inference_classifier(faces.images)
    np.testing.assert_allclose(linear["probs"], linear["linear_probs"], rtol=1e-6)
    data = training_dataset(faces, batch_size=4)
    with pytest.raises(ValueError, match="EpochUpdate"):
        model.fit(data, steps_per_epoch=1)
    update = EpochUpdate(evaluation_dataset(faces, 5))
    logs = model.fit(data, steps_per_epoch=1, verbose=0, callbacks=[update]).history
    # Prototypes do not take part yet, and nothing moves them.
    assert logs["center_loss"] == logs["simplex_loss"] == [0.0]
    f = np.asarray(linear["embedding"])
    means = [f[faces.labels == k].mean(0) for k in range(3)]
    np.testing.assert_allclose(remop.head.prototypes, means, rtol=1e-4, atol=1e-6)
    model.fit(data, steps_per_epoch=1, verbose=0, callbacks=[update])
    averaged = model.ema_classifier.get_layer("prototype_head")
    assert float(tf.convert_to_tensor(averaged.ready)) == 1.0  # not half a mixture
    mixed = model.infer(faces.images)
    assert not np.allclose(mixed["probs"], mixed["linear_probs"], atol=1e-3)
    np.testing.assert_allclose(remop.head.prototypes, means, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("center_init", "moves"), [("labeled_mean", False), ("epoch_mean", True)]
)
def test_prototypes_are_class_means_once_or_after_each_epoch(center_init, moves):
    faces = random_faces(12, side=4)
    remop = ReMoP(3, center_init=center_init)
    weights = {"center": 0.0, "unlabeled_center": 0.0, "simplex": 0.0}
    model = Supervised(dense_classifier(), plug_ins=(remop,), loss_weights=weights)
    model.compile(keras.optimizers.SGD(0.5))
    data = training_dataset(faces, batch_size=4)
    update = EpochUpdate(evaluation_dataset(faces, 5))
    seen = []
    for _ in range(2):
        model.fit(data, steps_per_epoch=3, verbose=0, callbacks=[update])
        f = np.asarray(model.infer(faces.images)["embedding"])
        means = np.array([f[faces.labels == k].mean(0) for k in range(3)])
        seen.append((remop.head.prototypes.numpy(), means))
    np.testing.assert_allclose(*seen[0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(seen[0][1], seen[1][1], atol=1e-3)  # embeddings moved
    expected = seen[1][1] if moves else seen[0][1]
    np.testing.assert_allclose(seen[1][0], expected, rtol=1e-4, atol=1e-5)


def test_moments_of_prototypes_are_zero_when_they_are_set():
    faces = random_faces(12, side=4)
    remop = ReMoP(3, center_init="labeled_mean")
    model = Supervised(dense_classifier(), plug_ins=(remop,))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    drawn = remop.head.prototypes.numpy()
    data = training_dataset(faces, batch_size=4)
    batch, label = next(iter(data))
    model.train_step((batch, label))
    np.testing.assert_array_equal(remop.head.prototypes.numpy(), drawn)
    remop.epoch_end(model, evaluation_dataset(faces), None)
    means = remop.head.prototypes.numpy()
    model.optimizer.learning_rate.assign(0.0)
    model.train_step((batch, label))  # a moment left over would move them at rate 0
    np.testing.assert_array_equal(remop.head.prototypes.numpy(), means)


def test_prototypes_are_not_averaged():
    faces = random_faces(12, side=4)
    model = FixMatch(dense_classifier(), plug_ins=(ReMoP(3),))
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(
        training_dataset(faces, faces, model.all_views, 4),
        steps_per_epoch=3,
        verbose=0,
    )
    head = model.ema_classifier.get_layer("prototype_head")
    own = model.classifier.get_layer("prototype_head")
    np.testing.assert_array_equal(head.prototypes.numpy(), own.prototypes.numpy())
    averaged, online = model.ema_classifier.weights[0], model.classifier.weights[0]
    assert (averaged.numpy() != online.numpy()).any()


def test_what_remop_refuses():
    with pytest.raises(ValueError, match="does not fit a classifier of 3 classes"):
        Supervised(dense_classifier(), plug_ins=(ReMoP(7),))
    with pytest.raises(ValueError, match="`convention` must be one of code, paper"):
        ReMoP(3, convention="mine")
    with pytest.raises(ValueError, match="Received: center='half'"):
        ReMoP(3, center="half")
    with pytest.raises(ValueError, match="center_init='zeros'"):
        ReMoP(3, center_init="zeros")
    with pytest.raises(ValueError, match="Received: square"):
        model, plug_in = fixmatch(0.5, penalty="square")
        plug_in.losses_of(model.scheme_step(BATCH, LABELS))
