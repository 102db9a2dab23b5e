"""LargeMargin and PseudoEmotion against their equations, on images that are logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.margins import margin_by_loops
from support.toys import (
    as_images,
    au_classifier,
    dense_classifier,
    faces_with_action_units,
    logits_classifier,
    random_faces,
    softmax,
)

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.losses import action_unit_cross_entropy
from kerasfer.schemes import LargeMargin, PseudoEmotion, Supervised

RNG = np.random.default_rng(0)
LABELED, UNLABELED = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 3))
LABELS = np.array([2, 0, 0])
CENTROIDS = RNG.normal(size=(3, 3)).astype(np.float32)
BATCH = {"image": as_images(LABELED), "weak": as_images(UNLABELED)}


def started(model, centroids=CENTROIDS):
    model.margin.start(centroids, np.ones(len(centroids)))
    return model


def step_of(model, labels=LABELS, batch=BATCH):
    return model.scheme_step(batch, tf.constant(labels))


def pulls_by_loops(loss, labels, embeddings, centroids):
    if loss == "large_margin":
        return margin_by_loops(labels, embeddings, centroids)
    return [
        0.5 * np.sum((f - centroids[y]) ** 2)
        for f, y in zip(embeddings, labels, strict=True)
    ]


@pytest.mark.parametrize("loss", ["large_margin", "center", "island"])
def test_large_margin_is_its_box(loss):
    model = started(LargeMargin(logits_classifier(), loss, margin_weight=0.7))
    step = step_of(model)
    guesses = UNLABELED.argmax(-1)
    np.testing.assert_array_equal(step.pseudo.labels, guesses)
    np.testing.assert_array_equal(step.pseudo.mask, np.ones(4))
    cross_entropies = -np.log(softmax(LABELED)[range(3), LABELS])
    np.testing.assert_allclose(
        step.losses["supervised"], cross_entropies.mean(), rtol=1e-5
    )
    # Outside of `fit` the run is over: the weight is lambda_2 times final_weight, 1.
    pulls = pulls_by_loops(loss, [*LABELS, *guesses], [*LABELED, *UNLABELED], CENTROIDS)
    np.testing.assert_allclose(step.losses["margin"], 0.7 * np.mean(pulls), rtol=1e-5)


def test_centroids_step_to_labelled_and_self_labelled_faces():
    model = started(LargeMargin(logits_classifier(), centroid_rate=0.5))
    (centroids, moved), _ = step_of(model).updates
    assert centroids is model.margin.centroids.centroids
    classes = [*LABELS, *UNLABELED.argmax(-1)]
    for j in range(3):
        faces = [
            f for f, k in zip([*LABELED, *UNLABELED], classes, strict=True) if k == j
        ]
        step = sum(CENTROIDS[j] - f for f in faces) / (1 + len(faces))
        np.testing.assert_allclose(moved[j], CENTROIDS[j] - 0.5 * step, rtol=1e-5)


def test_supervised_margin_asks_for_no_unlabelled_face():
    model = started(LargeMargin(logits_classifier(), unlabeled=False))
    assert model.all_views == ()
    step = step_of(model, batch={"image": BATCH["image"]})
    assert step.pseudo is None
    pulls = margin_by_loops(LABELS, LABELED, CENTROIDS)
    np.testing.assert_allclose(step.losses["margin"], np.mean(pulls), rtol=1e-5)


def test_no_gradient_reaches_self_labels_only_the_embedding():
    model = started(LargeMargin(logits_classifier(), margin_weight=1.0))
    weak = tf.Variable(BATCH["weak"])
    with tf.GradientTape() as tape:
        losses = step_of(model, batch={"image": BATCH["image"], "weak": weak}).losses
    gradient = tape.gradient(losses["margin"], weak).numpy()[:, 0, 0]
    assert np.abs(gradient).max() > 0
    # Along the embedding nothing changes: the loss knows directions alone.
    np.testing.assert_allclose((gradient * UNLABELED).sum(-1), 0.0, atol=1e-6)


def au_logits_classifier():
    """Images are the logits of AU1, AU4, AU6, AU12, and the embedding."""
    base = logits_classifier(4)
    probs = keras.layers.Activation("sigmoid")(base.output["logits"])
    return keras.Model(base.input, {**base.output, "probs": probs})


AU_NAMES = ("AU1", "AU4", "AU6", "AU12")
EMOTIONS = {"happiness": (6, 12), "sadness": (1, 4), "worry": (4, 12)}
AU_IMAGES, AU_WEAK = 2 * RNG.normal(size=(3, 4)), 2 * RNG.normal(size=(5, 4))
AU_TARGETS = np.array(
    [[1.0, 0.0, -1.0, 0.5], [-1.0] * 4, [0.0, 0.2, 0.9, 1.0]], np.float32
)
AU_CENTROIDS = RNG.normal(size=(3, 4)).astype(np.float32)


def au_model(**options):
    options = {"table": EMOTIONS, "margin_weight": 0.7, **options}
    model = PseudoEmotion(au_logits_classifier(), AU_NAMES, **options)
    return started(model, AU_CENTROIDS)


def au_step(model):
    batch = {"image": as_images(AU_IMAGES), "weak": as_images(AU_WEAK)}
    return step_of(model, AU_TARGETS, batch)


def emotions_by_loops(images):
    """The emotion whose two units have the largest sum."""
    units = 1 / (1 + np.exp(-images))
    sums = np.stack(
        [
            units[:, 2] + units[:, 3],
            units[:, 0] + units[:, 1],
            units[:, 1] + units[:, 3],
        ]
    )
    return sums.argmax(0), sums.max(0)


@pytest.mark.parametrize("norm", ["count", "sqrt"])
def test_pseudo_emotion_is_its_box(norm):
    step = au_step(au_model(norm=norm, final_weight=1.0))
    images = np.concatenate([AU_IMAGES, AU_WEAK])
    emotions, _ = emotions_by_loops(images)
    np.testing.assert_array_equal(step.pseudo.labels, emotions[3:])
    errors = []
    for target, image in zip(AU_TARGETS, AU_IMAGES, strict=True):
        known = target >= 0
        error = (target - 1 / (1 + np.exp(-image)))[known] ** 2
        errors.append(error.mean() if known.any() else 0.0)
    np.testing.assert_allclose(step.losses["supervised"], np.mean(errors), rtol=1e-5)
    pulls = margin_by_loops(emotions, images, AU_CENTROIDS)
    np.testing.assert_allclose(step.losses["margin"], 0.7 * np.mean(pulls), rtol=1e-5)


def test_the_weight_of_the_margin_falls_to_a_tenth_by_default():
    whole, tenth = (
        float(au_step(au_model(**options)).losses["margin"])
        for options in ({"final_weight": 1.0}, {})
    )
    np.testing.assert_allclose(tenth, 0.1 * whole, rtol=1e-5)


def test_faces_that_resemble_no_emotion_are_left_out():
    images = np.concatenate([AU_IMAGES, AU_WEAK])
    emotions, sums = emotions_by_loops(images)
    lowest = float(np.median(sums / 2))
    step = au_step(au_model(norm="count", lowest_score=lowest, final_weight=1.0))
    counted = sums / 2 >= lowest
    assert 0 < counted.sum() < 8
    np.testing.assert_array_equal(step.pseudo.mask, counted[3:])
    pulls = margin_by_loops(emotions, images, AU_CENTROIDS) * counted
    np.testing.assert_allclose(step.losses["margin"], 0.7 * pulls.sum() / 8, rtol=1e-5)
    (_, moved), _ = step.updates
    for j in range(3):
        faces = images[(emotions == j) & counted]
        delta = sum(AU_CENTROIDS[j] - f for f in faces) / (1 + len(faces))
        expected = AU_CENTROIDS[j] - 0.5 * delta
        np.testing.assert_allclose(moved[j], expected, rtol=1e-5, atol=1e-6)


def test_an_unlabelled_face_teaches_no_action_unit():
    model = au_model(loss_weights={"margin": 0.0})
    weak = tf.Variable(as_images(AU_WEAK))
    batch = {"image": as_images(AU_IMAGES), "weak": weak}
    with tf.GradientTape() as tape:
        loss = step_of(model, AU_TARGETS, batch).losses["supervised"]
    assert tape.gradient(loss, weak) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"au_names": ("AU1", "AU4"), "table": {"woe": (1,), "ire": (4,)}},
            "a column of `au` for each of 2 action units",
        ),
        ({"table": "ekman"}, "one of emfacs, facs, du"),
        ({"margin_loss": "triplet"}, "one of large_margin, center, island"),
        ({"norm": "mean"}, "one of count, sqrt, contrast, standard"),
    ],
)
def test_what_pseudo_emotion_refuses(options, message):
    options = {"au_names": AU_NAMES, "table": EMOTIONS, **options}
    with pytest.raises(ValueError, match=message):
        PseudoEmotion(au_logits_classifier(), **options)


def test_the_first_epoch_learns_labels_alone_and_ends_with_centroids_and_balance():
    faces, others = random_faces(12, side=4), random_faces(16, side=4, seed=1)
    keras.utils.set_random_seed(5)
    supervised = Supervised(dense_classifier())
    keras.utils.set_random_seed(5)
    model = LargeMargin(dense_classifier())
    logs = {}
    for m in (supervised, model):
        m.compile(keras.optimizers.SGD(0.1))
        history = m.fit(
            training_dataset(faces, others, m.all_views, 8),
            steps_per_epoch=3,
            verbose=0,
            callbacks=[EpochUpdate(evaluation_dataset(faces))],
        )
        logs[m] = history.history
    for ours, theirs in zip(
        supervised.classifier.weights, model.classifier.weights, strict=True
    ):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    assert logs[model]["margin_weight"] == [0.0]
    assert np.isnan(logs[model]["centroid_shift"]).all()

    outputs = model.infer(faces.images, averaged=False)
    embeddings = outputs["embedding"].numpy()
    means = [embeddings[faces.labels == k].mean(0) for k in range(3)]
    np.testing.assert_allclose(model.margin.centroids.centroids, means, rtol=1e-4)
    probs = outputs["probs"].numpy()
    cross_entropy = -np.log(probs[range(12), faces.labels]).mean()
    margin = np.mean(margin_by_loops(faces.labels, embeddings, means))
    np.testing.assert_allclose(
        float(model.margin.weight), cross_entropy / 0.8 / (margin + 2), rtol=1e-3
    )

    again = model.fit(
        training_dataset(faces, others, model.all_views, 8),
        steps_per_epoch=3,
        verbose=0,
        callbacks=[EpochUpdate(evaluation_dataset(faces))],
    ).history
    assert 0 < again["centroid_shift"][0] < 2
    np.testing.assert_allclose(
        again["margin_weight"][0], float(model.margin.weight), rtol=1e-6
    )
    assert np.abs(model.margin.centroids.centroids - np.array(means)).max() > 0


def test_an_emotion_that_nobody_shows_waits_for_its_first_face():
    faces, others = (faces_with_action_units(8, side=4, seed=s) for s in (0, 1))
    table = {"happiness": (6, 12), "never": {6: 0.01, 1: 0.01, 4: 1.0, 12: 1.0}}
    model = PseudoEmotion(
        au_classifier(),
        faces.au_names,
        table,
        supervised_loss=action_unit_cross_entropy,
    )
    model.compile(keras.optimizers.SGD(0.1))
    # Give happiness to every face: its units are sure, the others absent.
    bias = model.classifier.get_layer("logits").bias
    bias.assign([-9.0, -9.0, 9.0, 9.0])
    model.epoch_end(evaluation_dataset(faces), None)
    np.testing.assert_array_equal(model.margin.centroids.known, [1.0, 0.0])
    batch, labels = next(iter(training_dataset(faces, others, model.all_views, 4)))
    logs = model.train_step((batch, labels))
    assert float(logs["margin_loss"]) == 0.0  # of one class alone there is no margin
    bias.assign([-9.0, 9.0, -9.0, 9.0])
    model.train_step((batch, labels))
    np.testing.assert_array_equal(model.margin.centroids.known, [1.0, 1.0])


def test_the_balance_counts_the_weight_of_the_supervised_loss():
    """lambda_1 L_S against lambda_2 L_M: twice lambda_1, twice lambda_2."""
    faces = random_faces(12, side=4)
    weights = []
    for supervised in (0.5, 1.0):
        keras.utils.set_random_seed(0)
        model = LargeMargin(
            dense_classifier(), "center", loss_weights={"supervised": supervised}
        )
        model.epoch_end(evaluation_dataset(faces), None)
        weights.append(float(model.margin.weight))
    assert weights[1] == pytest.approx(2 * weights[0], rel=1e-5)


def test_a_threshold_leaves_out_unsure_self_labels():
    """Faces below it have no part in the margin, nor move the centroids."""
    model = LargeMargin(logits_classifier(), threshold=0.8)
    model.margin.centroids.centroids.assign(np.eye(3))
    model.margin.centroids.known.assign(np.ones(3))
    model.margin.started.assign(1.0)
    model.margin.weight.assign(1.0)
    sure, unsure = [5.0, 0.0, 0.0], [0.5, 0.2, 0.0]
    batch = {"image": as_images([[0, 4.0, 0]]), "weak": as_images([sure, unsure])}
    step = model.scheme_step(batch, tf.constant([1]))
    np.testing.assert_array_equal(step.pseudo.mask, [1, 0])
    alone = {**batch, "weak": as_images([sure])}
    two = model.scheme_step(alone, tf.constant([1])).losses["margin"]
    # A mean over all faces: of three here, of two there.
    np.testing.assert_allclose(step.losses["margin"], two * 2 / 3, rtol=1e-5)
    with pytest.raises(ValueError, match="threshold"):
        LargeMargin(logits_classifier(), threshold=-1.0)
