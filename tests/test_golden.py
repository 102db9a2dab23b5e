"""Our equations give what the authors' own programs gave, to 1e-5.

The arrays of `golden/*.npz` were made once by `golden/make.py`, which names the
programs. The classifier passes on what it is given: the embedding is the "image", and
the logits are its first places.
"""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfer.losses import center_loss, region_biased_loss
from kerasfer.plug_ins import ABC, InPL
from kerasfer.schemes import (
    MEK,
    RUL,
    AdaCM,
    FixMatch,
    FlexMatch,
    FreeMatch,
    SoftMatch,
)
from kerasfer.training.step import Step

CLASSES, WIDTH, BATCH, STEPS = 7, 12, 16, 8
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def equal_gradients(found, expected):
    """To 1e-5 of the largest entry."""
    atol = 1e-5 * np.abs(expected).max()
    assert atol > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=atol)


def golden(name):
    with np.load(pathlib.Path(__file__).parent / f"golden/{name}.npz") as file:
        return dict(file)


def passing_on():
    image = keras.Input((1, 1, WIDTH))
    embedding = keras.layers.Flatten()(image)
    logits = keras.layers.Dense(CLASSES, use_bias=False, name="logits")(embedding)
    outputs = {
        "embedding": embedding,
        "logits": logits,
        "probs": keras.layers.Softmax()(logits),
    }
    classifier = keras.Model(image, outputs)
    classifier.get_layer("logits").set_weights([np.eye(WIDTH, CLASSES)])
    return classifier


def step(model, values, row, views, weights):
    """The scheme's step on a batch, and gradients of its loss by view."""
    batch = {v: tf.constant(values[v][row][:, None, None]) for v in views}
    if "index" in values:
        batch["index"] = tf.constant(values["index"][row], tf.int32)
    batch["image"] = tf.zeros((2, 1, 1, WIDTH))
    with tf.GradientTape() as tape:
        tape.watch([batch[view] for view in views])
        done = model.scheme_step(batch, tf.constant([0, 1]))
        loss = tf.add_n([weights[name] * done.losses[name] for name in weights])
    slopes = tape.gradient(loss, {view: batch[view] for view in views})
    for variable, value in done.updates:
        variable.assign(value)
    return done, {v: s[:, 0, 0] for v, s in slopes.items() if s is not None}


@pytest.mark.parametrize(
    ("name", "scheme", "options", "extra", "states"),
    [
        ("freematch", FreeMatch, {"momentum": 0.5}, {"fairness": 1.0},
         ("confidence", "predicted", "histogram")),
        ("softmatch", SoftMatch, {"momentum": 0.5}, {},
         ("predicted", "mean", "variance")),
        ("flexmatch", FlexMatch, {"num_unlabeled": 16, "threshold": 0.5}, {}, ()),
    ],
)  # fmt: skip
def test_the_thresholds_of_usb(name, scheme, options, extra, states):
    values, model = golden(name), scheme(passing_on(), **options)
    assert 0.1 < values["mask"].mean() < 0.9  # the arrays show both sides
    for row in range(STEPS):
        done, slopes = step(
            model, values, row, ("weak", "strong"), {"unlabeled": 1.0, **extra}
        )
        np.testing.assert_allclose(done.pseudo.mask, values["mask"][row], **CLOSE)
        for loss in ("unlabeled", *extra):
            np.testing.assert_allclose(done.losses[loss], values[loss][row], **CLOSE)
        equal_gradients(slopes["strong"], values["gradient"][row])
        assert "weak" not in slopes
        for state in states:
            found = tf.convert_to_tensor(getattr(model, state))
            np.testing.assert_allclose(found, values[state][row], **CLOSE)
        if name == "flexmatch":
            beta = values["beta"][row]
            np.testing.assert_allclose(
                model.thresholds(), 0.5 * beta / (2 - beta), **CLOSE
            )


def test_ada_cm():
    values, model = golden("ada_cm"), AdaCM(passing_on())
    assert 0.1 < values["mask"].mean() < 0.9
    for row in range(STEPS):
        np.testing.assert_allclose(
            model.thresholds(), values["thresholds"][row], **CLOSE
        )
        done, slopes = step(
            model, values, row, ("weak", "weak_2", "strong"),
            {"unlabeled": 1.0, "contrastive": 1.0},
        )  # fmt: skip
        np.testing.assert_array_equal(done.pseudo.mask, values["mask"][row])
        for loss in ("unlabeled", "contrastive"):
            np.testing.assert_allclose(done.losses[loss], values[loss][row], **CLOSE)
        equal_gradients(slopes["strong"], values["gradient"][row])
        for view in ("weak", "weak_2"):
            equal_gradients(slopes[view], values[f"{view}_gradient"][row])
        labeled = values["labeled"][row][:, None, None], values["targets"][row]
        model.epoch_end([labeled], None)
        np.testing.assert_allclose(model.thresholds(), values["measured"][row], **CLOSE)


def test_inpl():
    values = golden("inpl")
    assert 0.1 < values["mask"].mean() < 0.9
    plug_in = InPL(CLASSES, cutoff=-4.0, margin=0.5, momentum=0.9)
    model = FixMatch(passing_on(), plug_ins=(plug_in,))
    for row in range(STEPS):
        done, slopes = step(model, values, row, ("weak", "strong"), {"unlabeled": 1.0})
        np.testing.assert_array_equal(done.pseudo.mask, values["mask"][row])
        np.testing.assert_allclose(
            done.losses["unlabeled"], values["unlabeled"][row], **CLOSE
        )
        equal_gradients(slopes["strong"], values["gradient"][row])
        assert "weak" not in slopes
        for variable, value in plug_in.updates_of(done):
            variable.assign(value)


def test_abc():
    values = golden("abc")
    assert 0.1 < values["confident"].mean() < 0.9
    plug_in = ABC(values["counts"][0])
    np.testing.assert_allclose(plug_in.acceptance, values["acceptance"][0], **CLOSE)
    # 1 - t (1 - N_min / N_k), the chance of a face that is guessed to be of class k.
    chances = 1 - values["progress"][:, None] * (1 - plug_in.acceptance)
    np.testing.assert_allclose(chances, values["chance"], **CLOSE)
    views = ("image", "weak", "strong", "strong_2")
    for row in range(STEPS):
        embeddings = {view: tf.constant(values[view][row]) for view in views}
        # A number below each chance where theirs was drawn 1, none where it was 0.
        uniform = {
            f"uniform_{which}": tf.constant(1.0 - values[kept][row], tf.float32)
            for which, kept in (("labeled", "kept_labeled"), ("unlabeled", "kept"))
        }
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            outputs = {
                view: {"abc_logits": embedding[:, :CLASSES]}
                for view, embedding in embeddings.items()
            }
            labels = tf.constant(values["labels"][row])
            progress = tf.constant(values["progress"][row], tf.float32)
            losses = plug_in.losses_of(
                Step({}, labels, outputs, batch=uniform, progress=progress)
            )
            loss = tf.add_n([*losses.values()])
        slopes = tape.gradient(loss, embeddings)
        assert slopes["weak"] is None
        for name in ("labeled", "unlabeled"):
            np.testing.assert_allclose(
                losses[f"abc_{name}"], values[name][row], **CLOSE
            )
        for view, name in (
            ("image", "image_gradient"),
            ("strong", "gradient"),
            ("strong_2", "gradient_2"),
        ):
            equal_gradients(slopes[view], values[name][row])


def with_map():
    """A classifier with a map before its pooling, of WIDTH channels."""
    image = keras.Input((4, 4, 3))
    feature_map = keras.layers.Conv2D(WIDTH, 1, name="feature_map")(image)
    embedding = keras.layers.GlobalAveragePooling2D()(feature_map)
    logits = keras.layers.Dense(CLASSES, use_bias=False, name="logits")(embedding)
    probs = keras.layers.Softmax()(logits)
    outputs = {"embedding": embedding, "logits": logits, "probs": probs}
    return keras.Model(image, outputs)


def test_rul(monkeypatch):
    values, model = golden("rul"), RUL(with_map(), width=WIDTH)
    eye = [np.eye(WIDTH, CLASSES), np.zeros(CLASSES)]
    model.classifier.get_layer("mean_logits").set_weights(eye)
    for row in range(STEPS):
        mean, variance = (
            tf.constant(values[name][row]) for name in ("mean", "log_variance")
        )
        outputs = {"embedding": mean, "log_variance": variance}
        monkeypatch.setattr(model, "forward", lambda images, out=outputs: out)
        # Their order of the partners, from the numbers that ours sorts.
        uniform = np.argsort(values["partner"][row]).astype("float32")
        batch = {"image": tf.zeros((BATCH, 4, 4, 3)), "uniform_labeled": uniform}
        with tf.GradientTape() as tape:
            tape.watch([mean, variance])
            done = model.scheme_step(batch, tf.constant(values["labels"][row]))
            loss = done.losses["supervised"]
        slopes = tape.gradient(loss, [mean, variance])
        np.testing.assert_allclose(loss, values["loss"][row], **CLOSE)
        equal_gradients(slopes[0], values["mean_gradient"][row])
        equal_gradients(slopes[1], values["variance_gradient"][row])


def test_mek(monkeypatch):
    """Theirs are weights of RAF-DB's classes, 12,271 / (10 N_k), in its order."""
    values = golden("mek")
    counts = [1290, 281, 717, 4772, 1982, 705, 2524]
    mean_weight = np.mean(12271 / (10 * np.array(counts)))
    model = MEK(with_map(), counts)
    model.classifier.get_layer("logits").set_weights([np.eye(WIDTH, CLASSES)])
    weights = {"supervised": 1.0, "attention": 0.1 * mean_weight}
    for row in range(STEPS):
        logits = tf.constant(values["logits"][row])
        of_image, mirrored = (
            tf.constant(values[name][row].transpose(0, 2, 3, 1))
            for name in ("maps", "mirrored")
        )
        with tf.GradientTape() as tape:
            tape.watch([logits, of_image, mirrored])
            # The step asks for the mirrored faces first.
            asked = iter(
                {
                    "logits": logits,
                    "probs": tf.nn.softmax(logits),
                    "feature_map": tf.pad(maps, [[0, 0]] * 3 + [[0, WIDTH - CLASSES]]),
                }
                for maps in (mirrored, of_image)
            )
            monkeypatch.setattr(
                model, "forward", lambda images, asked=asked: next(asked)
            )
            batch = {"image": tf.zeros((len(logits), 4, 4, 3))}
            done = model.scheme_step(batch, tf.constant(values["labels"][row]))
            losses = {name: weights[name] * done.losses[name] for name in weights}
            loss = tf.add_n([*losses.values()])
        slopes = tape.gradient(loss, [logits, of_image, mirrored])
        for name in losses:
            np.testing.assert_allclose(losses[name], values[name][row], **CLOSE)
        equal_gradients(slopes[0], values["gradient"][row])
        for slope, name in zip(
            slopes[1:], ("maps_gradient", "mirrored_gradient"), strict=True
        ):
            equal_gradients(slope, values[name][row].transpose(0, 2, 3, 1))


def test_the_center_loss():
    values = golden("center_loss")
    for row in range(STEPS):
        embeddings, centers = (
            tf.constant(values[name][row]) for name in ("embeddings", "centers")
        )
        with tf.GradientTape() as tape:
            tape.watch([embeddings, centers])
            loss = tf.reduce_mean(
                center_loss(values["labels"][row], embeddings, centers)
            )
        slopes = tape.gradient(loss, [embeddings, centers])
        np.testing.assert_allclose(loss, values["loss"][row], **CLOSE)
        equal_gradients(slopes[0], values["gradient"][row])
        slope = tf.convert_to_tensor(slopes[1])
        equal_gradients(slope, values["center_gradient"][row])


def test_the_region_biased_loss():
    values = golden("region_biased")
    for row in range(STEPS):
        attention = tf.constant(values["attention"][row])
        with tf.GradientTape() as tape:
            tape.watch(attention)
            loss = tf.reduce_mean(region_biased_loss(attention))
        np.testing.assert_allclose(loss, values["loss"][row], **CLOSE)
        slope = tape.gradient(loss, attention)
        equal_gradients(slope, values["gradient"][row])
