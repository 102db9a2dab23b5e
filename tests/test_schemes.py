"""Each scheme's losses against the equations, on images that are logits."""

import keras
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

import kerasfer
from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import AdaCM, FixMatch, MarginMix, MeanTeacher, Supervised
from kerasfer.training import Step
from kerasfer.training.averaging import move_average

LOG9 = np.log(9.0)  # softmax([log 9, 0, 0]) = [9, 1, 1] / 11, confidence 0.818


def test_supervised():
    model = Supervised(logits_classifier())
    step = model.scheme_step({"image": as_images([[LOG9, 0, 0], [0, 0, 0]])}, [1, 2])
    # -log(1/11) and -log(1/3)
    expected = (np.log(11) + np.log(3)) / 2
    np.testing.assert_allclose(step.losses["supervised"], expected, rtol=1e-6)


def test_fixmatch():
    model = FixMatch(logits_classifier(), threshold=0.8)
    step = model.scheme_step(
        {
            "image": as_images([[0, 0, 0]]),
            "weak": as_images([[LOG9, 0, 0], [0, 0, 0]]),  # confident, not
            "strong": as_images([[0, 0, 0], [0, LOG9, 0]]),
        },
        tf.constant([1]),
    )
    np.testing.assert_array_equal(step.pseudo.labels, [0, 0])
    np.testing.assert_array_equal(step.pseudo.mask, [1, 0])
    np.testing.assert_allclose(step.losses["supervised"], np.log(3), rtol=1e-6)
    # -log(1/3) for the confident one, over both.
    np.testing.assert_allclose(step.losses["unlabeled"], np.log(3) / 2, rtol=1e-6)


def margin_mix_batch():
    rng = np.random.default_rng(0)
    draw = lambda count: rng.normal(size=(count, 3)).astype(np.float32)  # noqa: E731
    logits = {"image": draw(2), "weak": draw(4), "weak_2": draw(4)}
    batch = {name: as_images(values) for name, values in logits.items()}
    batch["mix_weight"] = tf.constant(rng.uniform(0.5, 1, 10), tf.float32)
    batch["mix_key"] = tf.constant(rng.random(10), tf.float32)
    return logits, batch, np.array([2, 0], np.int32)


def margin_mix_by_loops(logits, batch, labels, centroids, tau, ramp):
    """Section 3 of the methods, one face at a time."""
    middle = centroids.mean(0)
    unit = lambda v: (v - middle) / np.linalg.norm(v - middle)  # noqa: E731

    def distances(embedding):
        return np.array([np.linalg.norm(unit(embedding) - unit(c)) for c in centroids])

    q = []
    for a, b in zip(logits["weak"], logits["weak_2"], strict=True):
        soft = (softmax(-distances(a) / tau) + softmax(-distances(b) / tau)) / 2
        q.append(soft**2 / (soft**2).sum())  # sharpened by T = 0.5
    images = np.concatenate([logits["image"], logits["weak"], logits["weak_2"]])
    targets = np.concatenate([np.eye(3)[labels], q, q])
    order = np.argsort(batch["mix_key"])
    sums = {"supervised": 0.0, "unlabeled": 0.0, "margin": 0.0}
    for i, weight in enumerate(np.asarray(batch["mix_weight"])):
        z = weight * images[i] + (1 - weight) * images[order[i]]
        y = weight * targets[i] + (1 - weight) * targets[order[i]]
        if i < 2:
            sums["supervised"] += -(y * np.log(softmax(z))).sum() / 2
        else:
            sums["unlabeled"] += ramp * ((y - softmax(z)) ** 2).mean() / 8
        sums["margin"] += ((3 * y - 1) * distances(z)).sum() / 2 / 10
    return q, sums


def test_margin_mix():
    logits, batch, labels = margin_mix_batch()
    centroids = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    model = MarginMix(logits_classifier(), temperature=0.3, ramp=0.5)
    model.centroids.set_means(tf.constant(centroids), tf.ones(3))
    model.steps_of_run.assign(100.0)
    model.steps_done.assign(20.0)  # a fifth of the run, 0.4 of the ramp
    step = model.scheme_step(batch, labels)
    q, losses = margin_mix_by_loops(logits, batch, labels, centroids, 0.3, ramp=0.4)
    np.testing.assert_array_equal(step.pseudo.labels, np.argmax(q, -1))
    assert step.losses.keys() == losses.keys()
    for name, expected in losses.items():
        np.testing.assert_allclose(step.losses[name], expected, rtol=1e-5, err_msg=name)


def test_margin_mix_is_supervised_on_unmixed_faces_before_the_first_centroids():
    logits, batch, labels = margin_mix_batch()
    step = MarginMix(logits_classifier()).scheme_step(batch, labels)
    expected = -np.log(softmax(logits["image"])[[0, 1], labels]).mean()
    np.testing.assert_allclose(step.losses["supervised"], expected, rtol=1e-5)
    assert step.losses["unlabeled"] == step.losses["margin"] == 0
    np.testing.assert_array_equal(step.pseudo.mask, np.zeros(4))


def test_margin_mix_labels_by_the_averaged_copy_in_inference_mode():
    faces = random_faces(12, side=16)
    classifier = kerasfer.build_classifier("compact", (16, 16, 3), 3)
    model = MarginMix(classifier)
    model.epoch_end(evaluation_dataset(faces), None)
    for weight in model.ema_classifier.trainable_weights:  # unlike those trained
        weight.assign(weight * 0.7)
    before = [w.numpy() for w in model.ema_classifier.weights]
    batch, labels = next(iter(training_dataset(faces, faces, model.all_views, 4)))
    averaged = model.ema_classifier(batch["weak"], training=False)
    step = model.scheme_step(batch, labels)
    np.testing.assert_array_equal(
        step.outputs["weak"]["embedding"], averaged["embedding"]
    )
    for old, weight in zip(before, model.ema_classifier.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_margin_mix_does_not_see_what_all_embeddings_share():
    """A shift of all embeddings and centroids leaves the self-labels as they are."""
    logits, _batch, _labels = margin_mix_batch()
    centroids = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    model = MarginMix(logits_classifier())
    q = []
    for shift in (0.0, 5.0):
        model.centroids.set_means(tf.constant(centroids + shift), tf.ones(3))
        q.append(model._memberships({"embedding": logits["weak"] + shift}))
    np.testing.assert_allclose(q[1], q[0], rtol=1e-4, atol=1e-6)


def test_margin_mix_centroids_are_class_means_of_the_averaged_embedding():
    faces = random_faces(10, side=4)
    model = MarginMix(dense_classifier())
    for weight in model.ema_classifier.weights:  # differ from the online weights
        weight.assign(weight * 0.5)
    model.epoch_end(evaluation_dataset(faces, 4), None)
    embeddings = np.asarray(model.ema_classifier(faces.images)["embedding"])
    for k in range(3):
        expected = embeddings[faces.labels == k].mean(0)
        np.testing.assert_allclose(model.centroids.centroids[k], expected, rtol=1e-5)


def test_margin_mix_keeps_the_centroid_of_an_absent_class():
    faces = random_faces(9, side=4)
    model = MarginMix(dense_classifier())
    model.epoch_end(evaluation_dataset(faces), None)
    before = np.array(model.centroids.centroids)
    model.epoch_end(evaluation_dataset(faces.subset(faces.labels != 1)), None)
    np.testing.assert_array_equal(model.centroids.centroids[1], before[1])


def test_margin_mix_centroids_of_all_faces():
    labeled, unlabeled = random_faces(9, side=4), random_faces(6, side=4, seed=1)
    model = MarginMix(dense_classifier(), centroid_images="all")
    data = evaluation_dataset(labeled), evaluation_dataset(unlabeled)
    model.epoch_end(*data)  # nothing is known yet: labelled faces alone
    first = np.array(model.centroids.centroids)
    alone = MarginMix(model.classifier, ema_decay=0)
    alone.epoch_end(data[0], None)
    np.testing.assert_allclose(first, alone.centroids.centroids, rtol=1e-6)
    f = np.asarray(model.infer(labeled.images)["embedding"])
    u = np.asarray(model.infer(unlabeled.images)["embedding"])
    q = np.asarray(model._memberships({"embedding": u}))
    model.epoch_end(*data)
    one_hot = np.eye(3)[labeled.labels]
    expected = (one_hot.T @ f + q.T @ u) / (one_hot.sum(0) + q.sum(0))[:, None]
    np.testing.assert_allclose(model.centroids.centroids, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="needs the unlabelled faces"):
        model.epoch_end(data[0], None)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"membership": "cosine"}, "membership in .'softmax', 'inverse'"),
        ({"centroid_images": "some"}, "centroid_images in .'labeled', 'all'"),
        ({"temperature": 0}, "`temperature` must be more than 0"),
        ({"sharpening": -1}, "`sharpening` must be more than 0"),
        ({"ramp": 2}, "must be in .0, 1."),
        (
            {"loss_weights": {"centre": 1}},
            "do not exist: centre. Expected some of supe",
        ),
    ],
)
def test_margin_mix_refuses(options, error):
    with pytest.raises(ValueError, match=error):
        MarginMix(logits_classifier(), **options)


# --- the frame ------------------------------------------------------------------------


class TwoLosses(Supervised):
    def scheme_step(self, batch, labels):
        step = super().scheme_step(batch, labels)
        return Step({**step.losses, "extra": 0.0}, labels, step.outputs)


def compiled(model, optimizer=None, **options):
    model.compile(optimizer or keras.optimizers.SGD(0.1), **options)
    return model


def data(**options):
    faces = random_faces(12, side=4)
    return training_dataset(faces, faces, batch_size=4, **options)


def test_losses_must_be_the_declared_ones():
    model = compiled(TwoLosses(dense_classifier()), run_eagerly=True)
    with pytest.raises(
        ValueError, match="Without a loss: none; without a weight: extra."
    ):
        model.fit(data(), steps_per_epoch=1, verbose=0)


def test_the_average_is_the_warmed_up_recursion():
    model = compiled(Supervised(dense_classifier(), ema_decay=0.15))
    averages = [w.numpy() for w in model.ema_classifier.weights]
    for step, (batch, label) in enumerate(data().take(4)):
        model.train_step((batch, label))
        rate = min(0.15, (1 + step) / (10 + step))  # .1, then .15
        averages = [
            rate * a + (1 - rate) * w.numpy()
            for a, w in zip(averages, model.classifier.weights, strict=True)
        ]
    for average, expected in zip(model.ema_classifier.weights, averages, strict=True):
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)


def test_batch_statistics_are_averaged_too():
    images = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(momentum=0.5)(images)
    embedding = keras.layers.Flatten()(x)
    logits = keras.layers.Dense(3)(embedding)
    probs = keras.layers.Softmax()(logits)
    outputs = {"embedding": embedding, "logits": logits, "probs": probs}
    model = compiled(Supervised(keras.Model(images, outputs)))
    before = [w.numpy() for w in model.ema_classifier.weights]
    model.fit(data(), steps_per_epoch=2, verbose=0)
    for old, new in zip(before, model.ema_classifier.weights, strict=True):
        assert (old != new.numpy()).any(), new.name


def test_the_average_without_warm_up_and_with_statistics_as_they_are():
    faces = random_faces(12, side=16)
    model = compiled(
        Supervised(
            kerasfer.build_classifier("compact", (16, 16, 3), 3),
            ema_decay=0.9,
            ema_warmup=False,
            ema_statistics=False,
        )
    )
    averages = [w.numpy() for w in model.ema_classifier.trainable_variables]
    for batch, label in training_dataset(faces, batch_size=4).take(2):
        model.train_step((batch, label))
        averages = [
            0.9 * a + 0.1 * w.numpy()
            for a, w in zip(averages, model.classifier.trainable_variables, strict=True)
        ]
    copied = model.ema_classifier.trainable_variables
    for average, expected in zip(copied, averages, strict=True):
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)
    for average, weight in zip(
        model.ema_classifier.non_trainable_variables,
        model.classifier.non_trainable_variables,
        strict=True,
    ):
        np.testing.assert_array_equal(average.numpy(), weight.numpy())


@pytest.mark.parametrize("weak_training", [True, False])
def test_the_weak_view_moves_batch_statistics_in_training_mode_only(weak_training):
    faces = random_faces(12, side=16)
    classifier = kerasfer.build_classifier("compact", (16, 16, 3), 3)
    model = FixMatch(classifier, weak_training=weak_training)
    batch, _ = next(iter(training_dataset(faces, faces, model.all_views, 4)))
    start = classifier.get_weights()
    weak = classifier(batch["weak"], training=weak_training)["logits"]
    classifier(batch["strong"], training=True)
    expected = [w.numpy() for w in classifier.non_trainable_variables]
    classifier.set_weights(start)
    outputs = model.forward_weak(batch["weak"])
    model.forward(batch["strong"])
    np.testing.assert_allclose(outputs["logits"], weak, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(classifier.non_trainable_variables, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-7)


def test_predict_evaluate_and_validation_use_the_average():
    faces = random_faces(9, side=4)
    model = compiled(
        Supervised(dense_classifier()),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    history = model.fit(
        data(), steps_per_epoch=3, verbose=0, validation_data=evaluation_dataset(faces)
    )
    outputs = model.ema_classifier(faces.images)
    probs = np.asarray(outputs["probs"])
    np.testing.assert_allclose(
        model.predict(evaluation_dataset(faces), verbose=0), probs, rtol=1e-5
    )
    logs = model.evaluate(evaluation_dataset(faces), verbose=0, return_dict=True)
    loss = -np.log(probs[np.arange(9), faces.labels]).mean()
    assert logs.keys() == {"loss", "accuracy"}
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(history.history["val_loss"], [loss], rtol=1e-5)
    accuracy = (probs.argmax(-1) == faces.labels).mean()
    np.testing.assert_allclose(logs["accuracy"], accuracy)


def test_without_an_average_the_online_classifier_is_used():
    model = Supervised(dense_classifier(), ema_decay=0)
    assert model.inference_classifier is model.classifier


def test_logged_loss_is_the_weighted_sum_of_its_parts():
    model = FixMatch(
        dense_classifier(), threshold=0.0, loss_weights={"unlabeled": 0.25}
    )
    dataset = data(views=model.all_views)
    logs = compiled(model).fit(dataset, steps_per_epoch=3, verbose=0).history
    parts = logs["supervised_loss"][0] + 0.25 * logs["unlabeled_loss"][0]
    np.testing.assert_allclose(logs["loss"][0], parts, rtol=1e-5)
    assert logs["mask_rate"] == [1.0]
    assert "pseudo_label_accuracy" not in logs  # nobody asked for an audit


def test_weight_penalties_of_the_classifier_are_a_part_of_the_loss():
    images = keras.Input((4, 4, 3))
    flat = keras.layers.Flatten()(images)
    logits = keras.layers.Dense(3, kernel_regularizer="l2")(flat)
    probs = keras.layers.Softmax()(logits)
    classifier = keras.Model(
        images, {"embedding": flat, "logits": logits, "probs": probs}
    )
    expected = 0.01 * (classifier.layers[2].kernel.numpy() ** 2).sum()
    model = compiled(Supervised(classifier), keras.optimizers.SGD(0.0))
    logs = model.fit(data(), steps_per_epoch=1, verbose=0).history
    np.testing.assert_allclose(logs["penalty_loss"], [expected], rtol=1e-5)


def test_progress_runs_from_0_to_1_over_fit():
    seen = []

    class Watch(Supervised):
        def scheme_step(self, batch, labels):
            seen.append(float(self.progress()))
            return super().scheme_step(batch, labels)

    model = compiled(Watch(dense_classifier()), run_eagerly=True)
    assert float(model.progress()) == 1.0  # outside of fit ramps are over
    model.fit(data(), epochs=2, steps_per_epoch=2, verbose=0)
    np.testing.assert_allclose(seen[-4:], [0, 0.25, 0.5, 0.75])


def test_audited_pseudo_labels_are_logged():
    model = FixMatch(dense_classifier(), threshold=0.0)
    dataset = data(views=(*model.all_views, "audit_label"))
    logs = compiled(model).fit(dataset, steps_per_epoch=2, verbose=0).history
    np.testing.assert_allclose(logs["mask_rate"], [1.0])
    assert 0 <= logs["pseudo_label_accuracy"][0] <= 1


def test_nan_stops_the_run_and_names_the_part():
    def broken(labels, outputs):
        return outputs["logits"][:, 0] * np.nan

    model = compiled(Supervised(dense_classifier(), supervised_loss=broken))
    with pytest.raises(
        FloatingPointError, match="step 1 .*supervised_loss.*Usual causes"
    ):
        model.fit(data(), steps_per_epoch=3, verbose=0)


def test_fit_and_compile_refuse_what_cannot_work():
    model = compiled(Supervised(dense_classifier()))
    with pytest.raises(ValueError, match="endless: give `steps_per_epoch`"):
        model.fit(data())
    with pytest.raises(ValueError, match="takes no loss"):
        model.compile(loss="sparse_categorical_crossentropy")
    mix = compiled(MarginMix(dense_classifier()))
    with pytest.raises(ValueError, match="EpochUpdate"):
        mix.fit(data(views=mix.all_views), steps_per_epoch=1)
    mix.fit(
        data(views=mix.all_views),
        steps_per_epoch=1,
        verbose=0,
        callbacks=[EpochUpdate(evaluation_dataset(random_faces(6, side=4)))],
    )
    with pytest.raises(ValueError, match="build_classifier"):
        Supervised(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    with pytest.raises(NotImplementedError, match="save_weights"):
        model.get_config()


def test_a_finite_data_set_needs_no_steps():
    model = compiled(Supervised(dense_classifier()))
    model.fit(data().take(3), epochs=2, verbose=0)
    assert float(model.steps_done) == 6 and float(model.progress()) == 1.0


@pytest.mark.parametrize("scheme", [Supervised, MeanTeacher])
def test_batch_statistics_forget_a_step_that_overflowed(scheme):
    """An activation above 65,504 makes float16 batch statistics infinite for good."""
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        images = keras.Input((4, 4, 3))
        x = keras.layers.Flatten()(images)
        x = keras.layers.Dense(5, kernel_initializer="ones")(x)
        x = keras.layers.BatchNormalization(dtype="float32")(x)
        logits = keras.layers.Dense(3, dtype="float32")(x)
        probs = keras.layers.Activation("softmax", dtype="float32")(logits)
        outputs = {"embedding": x, "logits": logits, "probs": probs}
        model = scheme(keras.Model(images, outputs))
        model.compile(keras.optimizers.SGD(0.1))
        batch = {view: np.full((2, 4, 4, 3), 255.0) for view in ("image", *model.views)}
        model.train_step((batch, np.array([0, 1])))  # 48 * 255 = 12,240 is a number
        before = [w.numpy() for w in model.classifier.weights]
        averaged = [w.numpy() for w in model.ema_classifier.weights]
        assert all(np.isfinite(w).all() for w in before)
        batch = {view: 10 * images for view, images in batch.items()}
        model.train_step((batch, np.array([0, 1])))  # 122,400 is not
    finally:
        keras.mixed_precision.set_global_policy("float32")
    for old, weight in zip(before, model.classifier.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy(), err_msg=weight.name)
    for old, weight in zip(averaged, model.ema_classifier.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy(), err_msg=weight.name)


def test_many_models_infer_without_a_warning_of_retracing(caplog):
    images = random_faces(2).images
    for _ in range(8):
        Supervised(dense_classifier(side=8)).infer(images)
    assert "retracing" not in caplog.text


@pytest.mark.parametrize("name", ["train_step", "pseudo_labels", "_outputs"])
def test_the_frame_is_final(name):
    expected = f"Mine overrides {name}.*only __init__, scheme_step, select"
    with pytest.raises(TypeError, match=expected):
        type("Mine", (Supervised,), {name: lambda self: None})


def test_a_scheme_may_have_helpers_of_its_own():
    own = {"helper": lambda self: 1, "thresholds": lambda self: None}
    assert type("Mine", (Supervised,), own)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda c: FixMatch(c, threshold=-0.1), "`threshold` must be at least 0"),
        (lambda c: FixMatch(c, threshold=float("nan")), "Received: nan"),
        (lambda c: AdaCM(c, temperature=0), "`temperature` must be more than 0"),
        (lambda c: AdaCM(c, contrastive_ramp=2), r"must be in \[0, 1\]. Received: 2"),
        (
            lambda c: FixMatch(c, loss_weights={"unlabeled": -1}),
            "`unlabeled` must be at least 0. Received: -1",
        ),
    ],
)
def test_numbers_out_of_range_are_named(make, error):
    with pytest.raises(ValueError, match=error):
        make(dense_classifier())


def test_the_average_stays_where_a_step_was_not_finite():
    classifier, average = dense_classifier(), dense_classifier()
    before = [weight.numpy() for weight in average.weights]
    move_average(average, classifier, 0.5, (), finite=tf.constant(False))
    for weight, value in zip(average.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    classifier.weights[0].assign(np.nan * classifier.weights[0].numpy())
    move_average(average, classifier, 0.5, (), finite=tf.constant(False))
    np.testing.assert_array_equal(average.weights[0].numpy(), before[0])
