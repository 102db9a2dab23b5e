"""Distillation against finite differences, and what it is for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import map_classifier, random_faces

from kerasfer import build_classifier
from kerasfer.callbacks.checkpoint import Checkpoint
from kerasfer.data import from_arrays, synthetic, training_dataset, with_distilled
from kerasfer.layers import BatchNormalization
from kerasfer.omni.distillation import (
    WEIGHTS,
    DatasetDistiller,
    labels_among,
    load_images,
    load_steps,
    take_steps,
)
from kerasfer.schemes import Supervised
from kerasfer.training.copies import copy_of
from kerasfer.vision.images import EXPRESSIONS, resize

NAMES = ("anger", "fear", "neutral")
FACES = random_faces(12, side=4)
IMAGES, LABELS = FACES.images.astype(np.float32), FACES.labels


def distiller(classifier=None, **options):
    options = {"step_size": 0.3, **options}
    return DatasetDistiller(classifier or map_classifier(), NAMES, **options)


def weights_of(model):
    return [v.numpy() for v in model.classifier.trainable_variables]


def set_weights(model, values):
    for variable, value in zip(
        model.classifier.trainable_variables, values, strict=True
    ):
        variable.assign(value)


def adapted_loss(model):
    """The loss after the inner steps, by taking them."""
    kept = weights_of(model)
    model.adapt()
    logits = model.classifier(IMAGES, training=False)["logits"]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits)
    set_weights(model, kept)
    return float(tf.reduce_mean(losses))


def normalized_classifier():
    """A smooth one with batch normalisation, whose running statistics are not those of
    a batch."""
    images = keras.Input((4, 4, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(images)
    x = keras.layers.Conv2D(5, 2)(x)
    x = BatchNormalization(
        moving_mean_initializer=keras.initializers.Constant(0.3),
        moving_variance_initializer=keras.initializers.Constant(0.5),
    )(x)
    x = keras.layers.Activation("tanh")(x)
    embedding = keras.layers.Flatten()(x)
    logits = keras.layers.Dense(3, name="logits")(embedding)
    probs = keras.layers.Activation("softmax")(logits)
    return keras.Model(
        images, {"embedding": embedding, "logits": logits, "probs": probs}
    )


@pytest.mark.parametrize("batch_statistics", [None, True, False])
@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (2, 2), (1, 3)])
def test_gradients_are_finite_differences(steps, epochs, batch_statistics):
    options = {"weights": "fixed", "steps": steps, "epochs": epochs}
    if batch_statistics is None:
        model = distiller(**options)
    else:
        keras.utils.set_random_seed(0)
        options["batch_statistics"] = batch_statistics
        model = distiller(normalized_classifier(), **options)
    before = weights_of(model)
    _, end, (by_noise, by_raw) = model.unrolled(IMAGES, LABELS)
    np.testing.assert_allclose(end, adapted_loss(model), rtol=1e-5)
    for ours, theirs in zip(weights_of(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    def difference(variable, entry, h):
        value, losses = variable.numpy(), []
        for sign in (1, -1):
            moved = value.copy()
            moved[entry] += sign * h
            variable.assign(moved)
            losses.append(adapted_loss(model))
        variable.assign(value)
        return (losses[0] - losses[1]) / (2 * h)

    for entry in [(0, 0, 0, 0), (3 * steps - 1, 2, 1, 2)]:
        # A loss near 1 in float32 is known to 1e-7: over 2h, to about 2e-6.
        expected = difference(model.noise, entry, 3e-2)
        np.testing.assert_allclose(by_noise.numpy()[entry], expected, atol=1e-5)
    for t in range(steps * epochs):
        expected = difference(model.raw_step_sizes, t, 1e-2)
        np.testing.assert_allclose(by_raw.numpy()[t], expected, rtol=1e-2, atol=3e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("batch_statistics", [True, False])
def test_running_statistics_stay_and_second_derivatives_exist(
    weights, batch_statistics
):
    classifier = build_classifier("compact", (16, 16, 3), 3)
    model = DatasetDistiller(
        classifier,
        NAMES,
        weights=weights,
        num_networks=2,
        batch_statistics=batch_statistics,
        step_size=2e-3,  # at 0.02 a random network with fixed statistics diverges
    )
    faces = random_faces(48, side=16)
    frozen = [v.numpy() for v in classifier.non_trainable_variables]
    _, _, gradients = model.unrolled(faces.images.astype(np.float32), faces.labels)
    for gradient in gradients:
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    for ours, theirs in zip(classifier.non_trainable_variables, frozen, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_where_networks_come_from(weights):
    model = distiller(weights=weights)
    pool = weights_of(model)
    model.draw_network(0)
    first = weights_of(model)
    set_weights(model, pool)
    model.draw_network(0)
    for ours, theirs in zip(weights_of(model), first, strict=True):
        np.testing.assert_array_equal(ours, theirs)  # a function of seed and step
    set_weights(model, pool)
    model.outer_steps.assign(1.0)
    model.draw_network(0)
    head = {id(v) for v in model.head.trainable_variables}
    for i, variable in enumerate(model.classifier.trainable_variables):
        drawn = weights == "random" or (weights != "fixed" and id(variable) in head)
        is_kernel = len(tuple(variable.shape)) > 1
        if not drawn:
            np.testing.assert_array_equal(variable.numpy(), pool[i])
        elif is_kernel:
            assert (variable.numpy() != first[i]).all()
        else:
            np.testing.assert_array_equal(variable.numpy(), 0.0)


def test_a_random_network_has_the_statistics_of_the_faces():
    """Those of each layer's inputs, with which it normalises; with the statistics of
    the network it came from it is nearly blind."""
    classifier = build_classifier("compact", (16, 16, 3), 3)
    faces = random_faces(256, side=16)
    images = faces.images.astype(np.float32)
    model = DatasetDistiller(classifier, NAMES, weights="random")
    model.draw_network(0, images)
    assert len(model.norms) > 3
    inner = classifier.get_layer("compact")
    x = classifier.get_layer("normalization")(images)
    for norm in model.norms:
        inputs = keras.Model(inner.input, norm.input)(x, training=False)
        inputs = np.asarray(inputs, np.float64).reshape(-1, inputs.shape[-1])
        spread = inputs.std(0, ddof=1)
        # The layers before divide by the unbiased deviation here, by the batch's own
        # when they were estimated: 0.4 % each where a map has 256 entries.
        mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
        assert (np.abs(mean - inputs.mean(0)) < 2e-2 * spread).all()
        np.testing.assert_allclose(variance, spread**2, rtol=2e-2)


def test_steps_are_taken_as_they_were_learned(tmp_path):
    model = distiller(weights="fixed", steps=2, epochs=2)
    trained(model, steps=2)
    path = tmp_path / "distilled.npz"
    model.save_images(path)
    before = weights_of(model)
    model.adapt()
    after = weights_of(model)
    set_weights(model, before)
    images, labels, _ = load_images(path)
    take_steps(model.classifier, images, labels, *load_steps(path))
    for ours, theirs in zip(weights_of(model), after, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    np.savez(path, images=images, labels=labels, class_names=NAMES)
    with pytest.raises(ValueError, match="expected step_sizes and steps"):
        load_steps(path)


def test_dropout_is_refused():
    classifier = build_classifier("compact", (16, 16, 3), 3, dropout=0.5)
    with pytest.raises(ValueError, match=r"without dropout.*of rate 0\.5"):
        DatasetDistiller(classifier, NAMES)
    DatasetDistiller(copy_of(classifier, rate=0.0), NAMES)


def trained(model, steps=30, rate=0.05):
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5))
    data = tf.data.Dataset.from_tensors((IMAGES, LABELS)).repeat()
    return model.fit(data, steps_per_epoch=steps, verbose=0).history


def test_training_lowers_the_loss_after_the_steps():
    model = distiller(weights="fixed")
    before = adapted_loss(model)
    trained(model)
    assert adapted_loss(model) < 0.8 * before
    np.testing.assert_array_equal(model.labels, [0, 1, 2])


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_images():
    model = distiller(step_size=0.3)
    trained(model, steps=2)
    good = [v.numpy() for v in model.trainable_variables]
    data = tf.data.Dataset.from_tensors((np.full_like(IMAGES, np.nan), LABELS)).repeat()
    with pytest.raises(FloatingPointError, match="The loss is nan at step 1"):
        model.fit(data, steps_per_epoch=3, verbose=0)
    for ours, theirs in zip(model.trainable_variables, good, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_a_distillation_in_two_parts_is_one(tmp_path):
    def run(name, epochs):
        keras.utils.set_random_seed(5)
        model = distiller(num_networks=2)
        model.compile(keras.optimizers.Adam(0.05, beta_1=0.5))
        checkpoint = Checkpoint(tmp_path / name, {"seed": 0})
        done = checkpoint.resume(model)
        data = training_dataset(FACES, batch_size=6, seed=2, start_step=2 * done)
        model.fit(
            data,
            initial_epoch=done,
            epochs=epochs,
            steps_per_epoch=2,
            verbose=0,
            callbacks=[checkpoint],
        )
        return done, model

    whole = run("whole", 4)[1]
    run("parts", 1)
    done, parts = run("parts", 4)
    assert done == 1
    for ours, theirs in zip(whole.variables, parts.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_images_on_disk(tmp_path):
    model = distiller(steps=2, images_per_class=2)
    model.save_images(tmp_path / "distilled.npz")
    images, labels, names = load_images(tmp_path / "distilled.npz")
    np.testing.assert_array_equal(images, model.pixels)
    np.testing.assert_array_equal(labels, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    assert names == NAMES and images.dtype == np.float32
    assert abs(images.mean() - 127.5) < 5 and abs(images.std() - 64) < 5
    np.savez(tmp_path / "half.npz", images=images)
    with pytest.raises(ValueError, match="expected images, labels and class_names"):
        load_images(tmp_path / "half.npz")
    np.savez(tmp_path / "odd.npz", images=images, labels=labels + 9, class_names=names)
    with pytest.raises(ValueError, match="labels of no class"):
        load_images(tmp_path / "odd.npz")


def test_distilled_images_lie_among_labelled_faces():
    marks = np.stack([np.full((4, 4, 3), 1000.0 + k) for k in range(3)])
    data = training_dataset(FACES, batch_size=50, seed=4)
    mixed = with_distilled(data, marks, [0, 1, 2], num_labeled=12, seed=4)
    plain = list(data.take(4))
    distilled = faces = 0
    for (batch, labels), (own, own_labels) in zip(mixed.take(4), plain, strict=True):
        images = batch["image"].numpy()
        marked = images[:, 0, 0, 0] >= 1000
        np.testing.assert_array_equal(
            labels.numpy()[marked], images[marked, 0, 0, 0] - 1000
        )
        np.testing.assert_array_equal(images[~marked], own["image"].numpy()[~marked])
        np.testing.assert_array_equal(labels[~marked], own_labels[~marked])
        distilled, faces = distilled + marked.sum(), faces + len(marked)
    # 3 of 15 are expected: 40 of 200, deviation sqrt(200 * .2 * .8) = 5.7.
    assert faces == 200 and 20 < distilled < 60
    half = with_distilled(data, marks, [0, 1, 2], 12, seed=4, share=0.5)
    marked = [batch["image"].numpy()[:, 0, 0, 0] >= 1000 for batch, _ in half.take(4)]
    assert 79 < np.sum(marked) < 121  # 100 of 200, deviation 7.1
    with pytest.raises(ValueError, match="`share` must be in .0, 1.. Received: 1"):
        with_distilled(data, marks, [0, 1, 2], 12, share=1)
    late = training_dataset(FACES, batch_size=50, seed=4, start_step=2)
    late = with_distilled(late, marks, [0, 1, 2], 12, seed=4, start_step=2)
    (again, _), (before, _) = next(iter(late)), list(mixed.take(3))[2]
    np.testing.assert_array_equal(again["image"], before["image"])
    for k in range(2):  # devices that share the batches: the same rng
        part = training_dataset(FACES, batch_size=50, seed=4, shard=(k, 2))
        part = with_distilled(part, marks, [0, 1, 2], 12, seed=4, shard=(k, 2))
        (half, half_labels), (whole, labels) = next(iter(part)), next(iter(mixed))
        own = slice(25 * k, 25 * k + 25)
        np.testing.assert_array_equal(half["image"], whole["image"][own])
        np.testing.assert_array_equal(half_labels, labels[own])
    with pytest.raises(ValueError, match=r"of shape \(4, 4, 3\), as the faces"):
        with_distilled(data, marks[:, :2], [0, 1, 2], 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "xavier"}, "pretrained_random_head, fixed, random"),
        ({"steps": 0}, "at least 1"),
        ({"step_size": 0.0}, "step_size > 0"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        distiller(**options)


def test_a_classifier_without_a_head_is_refused():
    images = keras.Input((4, 4, 3))
    logits = keras.layers.Dense(3, name="last")(keras.layers.Flatten()(images))
    with pytest.raises(ValueError, match="no layer `logits`"):
        distiller(keras.Model(images, {"logits": logits}))


def posed_faces(count, seed):
    """Rendered faces of three expressions, 16 pixels a side."""
    faces = synthetic.render_manifest(count, seed=seed, domain="posed", test_share=0)
    chosen = [EXPRESSIONS.index(name) for name in ("happiness", "surprise", "disgust")]
    faces = faces.subset(np.isin(faces.labels, chosen))
    return from_arrays(
        np.stack([resize(image, (16, 16)) for image in faces.images]),
        [chosen.index(label) for label in faces.labels],
    )


@pytest.mark.slow
def test_distilled_images_teach_new_heads_more_than_random_ones(capsys):
    faces, held_out = posed_faces(400, seed=0), posed_faces(200, seed=1)
    classifier = build_classifier("compact", (16, 16, 3), 3)
    pretrained = Supervised(classifier, ema_decay=0.0)
    pretrained.compile(keras.optimizers.Adam(2e-3))
    data = training_dataset(faces, batch_size=32, pad=0.0)
    pretrained.fit(data, steps_per_epoch=40, verbose=0)
    model = DatasetDistiller(classifier, NAMES)
    model.compile(keras.optimizers.Adam(0.03, beta_1=0.5))
    model.fit(data, steps_per_epoch=80, verbose=0)
    pool = weights_of(model)
    real = [faces.images[np.flatnonzero(faces.labels == k)[0]] for k in range(3)]
    kinds = {
        "distilled": model.noise.numpy(),
        "random": np.random.default_rng(0).normal(size=model.noise.shape),
        "real": (np.stack(real) - 127.5) / 64,
    }

    def loss():
        logits = classifier(held_out.images, training=False)["logits"]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(held_out.labels, logits)
        return float(tf.reduce_mean(losses))

    def gain(noise, head):
        """By how much the steps lower the loss on held-out faces, for a new head."""
        model.noise.assign(noise)
        model.outer_steps.assign(10_000.0 + head)
        set_weights(model, pool)
        model.draw_network()
        before = loss()
        model.adapt()
        return before - loss()

    gains = {k: np.array([gain(n, i) for i in range(20)]) for k, n in kinds.items()}
    with capsys.disabled():
        for kind, values in gains.items():
            error = values.std(ddof=1) / 20**0.5
            print(f"\nloss lowered by {kind}: {values.mean():.3f} (se {error:.3f})")
    difference = gains["distilled"] - gains["random"]
    # Paired over 20 heads; by chance three standard errors are one in 800.
    assert difference.mean() > 3 * difference.std(ddof=1) / 20**0.5
    assert gains["distilled"].mean() > 0


def test_distilled_classes_are_matched_by_name():
    """A file whose classes stand in another order, or are fewer."""
    labels = labels_among([1, 0, 1], ("fear", "anger"), ("anger", "disgust", "fear"))
    np.testing.assert_array_equal(labels, [0, 2, 0])
    with pytest.raises(ValueError, match="images of pain, which is no class of the"):
        labels_among([0], ("pain",), ("anger", "fear"))
