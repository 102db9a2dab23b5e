"""Supervised losses: by hand, by name, Keras' own, and with weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import dense_classifier, random_faces, softmax

from kerasfer import losses
from kerasfer.data import training_dataset
from kerasfer.losses import supervised_loss
from kerasfer.metrics import MeanClassAccuracy, on_classes
from kerasfer.schemes import CPE, FixMatch, MixMatch, Supervised

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0], [-2.0, 1.0, 0.9]], np.float32)
LABELS = np.array([0, 1, 2])
COUNTS = [10, 3, 1]
OUTPUTS = {
    "logits": tf.constant(LOGITS),
    "probs": tf.constant(softmax(LOGITS), tf.float32),
    "embedding": tf.constant(LOGITS),
    # The best crop leads by 0.3, 0 and -0.1.
    "attention": tf.constant([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.4, 0.3, 0.3]]),
}


def by_hand(name):
    """Face by face, class by class, with loops."""
    values = []
    for row, label in zip(LOGITS, LABELS, strict=True):
        p = softmax(row)
        entropy = -np.log(p[label])
        if name == "cross_entropy":
            values.append(entropy)
        elif name == "focal":
            values.append((1 - p[label]) ** 2 * entropy)
        elif name == "generalized_cross_entropy":
            values.append((1 - p[label] ** 0.7) / 0.7)
        elif name == "label_smoothing":
            targets = [0.9 * (k == label) + 0.1 / 3 for k in range(3)]
            values.append(-sum(t * np.log(q) for t, q in zip(targets, p, strict=True)))
        elif name == "squared_error":
            values.append(sum(((k == label) - p[k]) ** 2 for k in range(3)) / 3)
        elif name == "locality_preserving":  # each face is alone in its class
            values.append(entropy)
        elif name == "region_biased":  # 0.1 less the lead
            values.append(entropy + [0.0, 0.1, 0.2][len(values)])
        elif name == "squared_hinge":
            signs = [1 if k == label else -1 for k in range(3)]
            values.append(
                sum(max(0, 1 - t * z) ** 2 for t, z in zip(signs, row, strict=True))
            )
        elif name == "class_balanced":
            raw = [(1 - 0.999) / (1 - 0.999**n) for n in COUNTS]
            values.append(3 * raw[label] / sum(raw) * entropy)
        elif name == "logit_adjusted":
            moved = [row[k] + np.log(COUNTS[k] / 14) for k in range(3)]
            values.append(-np.log(softmax(moved)[label]))
    return values


@pytest.mark.parametrize("name", losses.SUPERVISED_LOSSES)
def test_each_loss_is_its_equation_for_indices_and_rows(name):
    loss = supervised_loss(name, COUNTS)
    rows = np.eye(3, dtype=np.float32)[LABELS]
    if name == "locality_preserving":
        with pytest.raises(ValueError, match="needs a class for each face"):
            loss(rows, OUTPUTS)
    else:
        np.testing.assert_allclose(loss(rows, OUTPUTS), by_hand(name), rtol=1e-5)
    np.testing.assert_allclose(loss(LABELS, OUTPUTS), by_hand(name), rtol=1e-5)


@pytest.mark.parametrize("name", losses.SUPERVISED_LOSSES)
def test_soft_labels_are_the_mean_of_the_classes(name):
    """But for those that are not linear in the labels."""
    if name in ("squared_error", "label_smoothing", "locality_preserving"):
        return
    loss = supervised_loss(name, COUNTS)
    soft = np.full((3, 3), (0.5, 0.2, 0.3), np.float32)
    parts = [loss(np.full(3, k), OUTPUTS).numpy() for k in range(3)]
    expected = 0.5 * parts[0] + 0.2 * parts[1] + 0.3 * parts[2]
    np.testing.assert_allclose(loss(soft, OUTPUTS), expected, rtol=1e-5)


def test_a_focus_below_one_has_finite_gradients():
    logits = tf.Variable([[200.0, 0.0, 0.0]])
    for gamma in (0.0, 0.5):
        with tf.GradientTape() as tape:
            loss = losses.focal_loss(tf.constant([0]), {"logits": logits}, gamma)
        assert np.isfinite(tape.gradient(loss, logits)).all()


@pytest.mark.parametrize(
    "loss",
    [
        lambda labels, outputs: tf.constant(1.0),
        lambda labels, outputs: losses.cross_entropy(labels, outputs)[:, None],
    ],
    ids=["scalar", "column"],
)
def test_a_loss_of_another_shape_is_refused(loss):
    model = Supervised(dense_classifier(), supervised_loss=loss)
    model.compile("sgd")
    data = training_dataset(random_faces(8, side=4), batch_size=4)
    with pytest.raises(ValueError, match="must give one number a face"):
        model.fit(data, steps_per_epoch=1, verbose=0)


def test_a_function_of_keras_is_one_of_keras():
    loss = supervised_loss(keras.losses.categorical_crossentropy)
    expected = losses.cross_entropy(LABELS, OUTPUTS)
    np.testing.assert_allclose(loss(LABELS, OUTPUTS), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["focal", "generalized_cross_entropy"])
def test_at_their_ends_they_are_cross_entropy(name):
    function = losses.SUPERVISED_LOSSES[name]
    options = {"gamma": 0.0} if name == "focal" else {"q": 1e-4}
    expected = losses.cross_entropy(LABELS, OUTPUTS)
    np.testing.assert_allclose(
        function(LABELS, OUTPUTS, **options), expected, rtol=1e-3
    )


def test_gradients_are_finite_for_a_sure_and_wrong_answer():
    for name in losses.SUPERVISED_LOSSES:
        logits = tf.Variable([[60.0, -60.0]])
        with tf.GradientTape() as tape:
            outputs = {"logits": logits, "embedding": 1e-30 * logits}
            outputs["attention"] = tf.fill((1, 6), 1 / 6)
            loss = supervised_loss(name, [3, 4])(tf.constant([1]), outputs)
        assert np.isfinite(tape.gradient(loss, logits)).all(), name


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.CategoricalCrossentropy(),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        keras.losses.CategoricalCrossentropy,
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
        "CategoricalCrossentropy",
    ],
    ids=range(8),
)
def test_losses_of_keras_get_what_they_expect(loss):
    expected = losses.cross_entropy(LABELS, OUTPUTS)
    np.testing.assert_allclose(
        supervised_loss(loss)(LABELS, OUTPUTS), expected, rtol=1e-5
    )


def test_reduction_of_a_keras_loss_is_not_used():
    loss = supervised_loss(keras.losses.CategoricalHinge(reduction="sum"))
    assert loss(LABELS, OUTPUTS).shape == (3,)


@pytest.mark.parametrize(
    ("loss", "error"),
    [
        ("crossentropi", "Unknown loss 'crossentropi'. Expected one of cross_entropy"),
        ("class_balanced", "needs `class_counts`, the labelled faces of each class"),
        (3, "a function .* or a name. Received: 3"),
    ],
)
def test_what_is_no_loss(loss, error):
    with pytest.raises(ValueError, match=error):
        supervised_loss(loss)


def test_a_sparse_loss_cannot_take_mixed_labels():
    loss = supervised_loss("sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="Take its form for rows"):
        loss(np.eye(3, dtype=np.float32), OUTPUTS)


# --- weights --------------------------------------------------------------------------


def test_sample_weights_weigh_the_faces():
    faces, weights = random_faces(3, side=4), np.array([2.0, 0.5, 0.0], np.float32)
    model = Supervised(dense_classifier(), ema_decay=0)
    model.compile("sgd", run_eagerly=True)
    logits = model.classifier(faces.images)["logits"].numpy()
    probs = softmax(logits)[range(3), faces.labels]
    expected = sum(-w * np.log(p) for w, p in zip(weights, probs, strict=True)) / 3
    batch = {"image": tf.constant(faces.images)}
    logs = model.train_step((batch, tf.constant(faces.labels), tf.constant(weights)))
    np.testing.assert_allclose(float(logs["loss"]), expected, rtol=1e-5)
    # Validation: the weighted mean, as Keras has it.
    model.loss_trackers["total"].reset_state()
    logits = model.classifier(faces.images)["logits"].numpy()
    entropies = -np.log(softmax(logits)[range(3), faces.labels])
    expected = (weights * entropies).sum() / weights.sum()  # one a face
    weights = tf.constant(weights[:, None])  # a column is as good
    data = (batch["image"], tf.constant(faces.labels), weights)
    logs = model.test_step(data)
    np.testing.assert_allclose(float(logs["loss"]), expected, rtol=1e-5)


def test_class_weight_of_fit_is_that_of_the_losses():
    faces = random_faces(12, side=4)
    weights = {0: 1.0, 1: 5.0, 2: 0.25}
    of_classes = tf.constant([weights[k] for k in range(3)])

    def weighed(labels, outputs):
        return losses.cross_entropy(labels, outputs) * tf.gather(of_classes, labels)

    logged = []
    for loss, options in (("cross_entropy", {"class_weight": weights}), (weighed, {})):
        keras.utils.set_random_seed(0)
        model = FixMatch(dense_classifier(), supervised_loss=loss)
        model.compile("sgd")
        data = training_dataset(faces, faces, model.all_views, 6)
        history = model.fit(data, steps_per_epoch=3, verbose=0, **options)
        logged.append(history.history["supervised_loss"])
    np.testing.assert_allclose(logged[0], logged[1], rtol=1e-5)


@pytest.mark.parametrize("scheme", [MixMatch, CPE])
def test_weights_that_would_be_lost_are_refused(scheme):
    from kerasfer import build_classifier

    faces = random_faces(12, side=16)
    options = {"class_counts": [4, 4, 4]} if scheme is CPE else {}
    model = scheme(build_classifier("compact", (16, 16, 3), 3), **options)
    model.compile("sgd")
    data = training_dataset(faces, faces, model.all_views, 4)
    with pytest.raises(
        ValueError, match="cannot take sample weights or `class_weight`"
    ):
        model.fit(data, steps_per_epoch=1, verbose=0, class_weight={0: 1, 1: 2, 2: 3})


def test_experts_refuse_a_loss_that_they_would_not_use():
    from kerasfer import build_classifier

    classifier = build_classifier("compact", (16, 16, 3), 3)
    with pytest.raises(ValueError, match="CPE's experts have losses of their own"):
        CPE(classifier, class_counts=[4, 4, 4], supervised_loss="focal")


# --- metrics of Keras -----------------------------------------------------------------


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], np.eye(3)[LABELS]])
def test_metrics_that_want_columns_get_them(labels):
    from sklearn.metrics import f1_score

    metric = on_classes(keras.metrics.F1Score(average="macro", name="f1"))
    metric.update_state(labels, softmax(LOGITS))
    expected = f1_score(LABELS, LOGITS.argmax(-1), average="macro", zero_division=0)
    np.testing.assert_allclose(float(metric.result()), expected, rtol=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0 and metric.name == "f1"


@pytest.mark.parametrize(
    "metric",
    [
        keras.metrics.KLDivergence(name="kl_divergence"),
        keras.metrics.MeanSquaredError(),
        keras.metrics.CategoricalHinge(),
        keras.metrics.CosineSimilarity(),
        keras.metrics.PrecisionAtRecall(0.5),
        keras.losses.categorical_crossentropy,
        "categorical_accuracy",
        "AUC",
    ],
    ids=range(8),
)
def test_metrics_on_indices_are_those_on_columns(metric):
    probs = softmax(LOGITS).astype("float32")
    found = []
    for labels in (LABELS, np.eye(3, dtype=np.float32)[LABELS]):
        made = on_classes(metric)
        made.reset_state()
        made.update_state(labels, probs)
        found.append(float(made.result()))
    assert found[0] == pytest.approx(found[1]) and np.isfinite(found[0])


def test_other_metrics_stay_as_they_are():
    for metric in (
        "accuracy",
        "sparse_top_k_categorical_accuracy",
        keras.metrics.SparseTopKCategoricalAccuracy(2),
        keras.metrics.sparse_categorical_accuracy,
        keras.metrics.Mean(),
        MeanClassAccuracy(3),
    ):
        assert on_classes(metric) is metric


def test_compile_takes_metrics_of_keras():
    faces = random_faces(12, side=4)
    model = Supervised(dense_classifier())
    names = ("accuracy", "auc", "f1", "top_2")
    model.compile(
        "sgd",
        metrics=[
            "accuracy",
            keras.metrics.AUC(name="auc"),
            keras.metrics.F1Score(average="weighted", name="f1"),
            keras.metrics.TopKCategoricalAccuracy(2, name="top_2"),
        ],
        weighted_metrics=[keras.metrics.F1Score(average="macro", name="weighted")],
    )
    data = training_dataset(faces, batch_size=4)
    history = model.fit(data, steps_per_epoch=2, verbose=0).history
    assert {*names, "weighted"} <= {*history}
    with pytest.raises(ValueError, match="Expected a list of metrics"):
        model.compile("sgd", metrics={"probs": "accuracy"})
