"""tensorflow-addons, where it is installed: its optimisers, losses and metrics used,
and its operations as references for ours."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.recipe_runs import imported, parsed, run, write_noise
from support.toys import dense_classifier, map_classifier, random_faces

from kerasfer._compat import optimizer_variables
from kerasfer.augment import ops
from kerasfer.callbacks import EpochUpdate
from kerasfer.callbacks.checkpoint import Checkpoint
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.experiments import optimizers
from kerasfer.experiments import training as training_flags
from kerasfer.metrics import PerAUF1
from kerasfer.plug_ins import ReMoP
from kerasfer.schemes import FixMatch, Supervised
from kerasfer.vision.images import cv2

try:
    import tensorflow_addons as tfa
except ImportError:
    tfa = None

with_addons = pytest.mark.skipif(tfa is None, reason="needs requirements-addons.txt")
without_addons = pytest.mark.skipif(tfa is not None, reason="has tensorflow-addons")
LABELED, UNLABELED = random_faces(12, side=4), random_faces(16, side=4, seed=1)
NAMES = ["lamb", "rectified_adam", "novograd"]


def asked_for(*flags):
    """The optimiser of flags, of recipes."""
    training = parsed(imported("baselines"), "--steps-per-epoch", 2, *flags).training
    return optimizers.build_optimizer(training)


def fit(model, start_epoch=0, epochs=3, callbacks=()):
    data = training_dataset(
        LABELED, UNLABELED, model.all_views, batch_size=6, seed=2,
        start_step=2 * start_epoch,
    )  # fmt: skip
    return model.fit(
        data, steps_per_epoch=2, initial_epoch=start_epoch, epochs=epochs, verbose=0,
        validation_data=evaluation_dataset(LABELED),
        callbacks=[EpochUpdate(evaluation_dataset(LABELED)), *callbacks],
    ).history  # fmt: skip


def fixmatch(*flags):
    keras.utils.set_random_seed(3)
    plug_ins = [ReMoP(3, center_init="labeled_mean")]
    model = FixMatch(map_classifier(), threshold=0.3, plug_ins=plug_ins)
    model.compile(asked_for(*flags))
    return model


# --- optimisers by name ---------------------------------------------------------------


@without_addons
@pytest.mark.parametrize(
    ("flags", "instead"),
    [
        (["--optimizer", "lamb"], "keras.optimizers.Lamb in a script of your own"),
        (["--optimizer", "rectified_adam"], "--optimizer adam with a lower"),
        (["--optimizer", "novograd"], "--optimizer adam"),
    ],
)
def test_without_addons_their_optimisers_are_refused(flags, instead):
    with pytest.raises(ValueError, match=f"ended with TensorFlow 2.15.*{instead}") as e:
        asked_for(*flags)
    assert "pip install 'kerasfer[addons]'" in str(e.value)


@without_addons
@pytest.mark.slow
def test_a_recipe_says_so_in_one_line(tmp_path):
    flags = ["--manifest", write_noise(tmp_path), "--protocol", "balanced:labels=12"]
    flags += ["--optimizer", "lamb", "--image-size", 16, "--out", tmp_path / "out"]
    code, output = run(*flags, recipe="baselines")
    assert code == 1 and "Traceback" not in output
    assert "error: lamb is of tensorflow-addons" in output


def test_flags_that_do_not_go_together():
    with pytest.raises(ValueError, match="--lookahead goes around lamb.*adam"):
        training_flags.Training(lookahead=True)
    with pytest.raises(ValueError, match="float16 needs --optimizer adam or sgd"):
        training_flags.Training(optimizer="lamb", mixed_precision="float16")


@with_addons
@pytest.mark.parametrize("name", ["rectified_adam", "novograd"])
def test_a_weight_decay_that_spares_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} .*prototypes.*--weight-decay 0"):
        asked_for("--optimizer", name)


@with_addons
def test_lamb_spares_prototypes_and_what_flags_say():
    def after_a_step(*flags):
        optimizer = asked_for("--optimizer", "lamb", "--learning-rate", 0.1, *flags)
        names = ("kernel", "bias", "prototypes")
        variables = [tf.Variable([1.0, -2.0], name=name) for name in names]
        optimizer.apply_gradients((tf.zeros(2), variable) for variable in variables)
        return {v.name.split(":")[0]: v.numpy() for v in variables}

    # Without a gradient the update is decay * w, and LAMB scales it to the length of w:
    # w - 0.1 |w| w / |w| = 0.9 w.
    every = after_a_step("--weight-decay", 0.02)
    np.testing.assert_allclose(every["kernel"], [0.9, -1.8], rtol=1e-5)
    np.testing.assert_allclose(every["bias"], [0.9, -1.8], rtol=1e-5)
    np.testing.assert_array_equal(every["prototypes"], [1.0, -2.0])
    kernels = after_a_step("--weight-decay", 0.02, "--decay-on", "kernels")
    np.testing.assert_allclose(kernels["kernel"], [0.9, -1.8], rtol=1e-5)
    np.testing.assert_array_equal(kernels["bias"], [1.0, -2.0])


@with_addons
@pytest.mark.parametrize("lookahead", [[], ["--lookahead"]], ids=["bare", "lookahead"])
@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_training_goes_on_exactly(name, lookahead, tmp_path):
    flags = ["--optimizer", name, "--weight-decay", 0, *lookahead]
    flags += ["--learning-rate", 0.02, "--schedule", "cosine"]
    whole = fixmatch(*flags)
    logs = fit(whole, epochs=6)
    assert logs["loss"][0] != logs["loss"][-1]
    first = fixmatch(*flags)
    fit(first, epochs=4, callbacks=[Checkpoint(tmp_path / "checkpoints", {})])
    second = fixmatch(*flags)
    checkpoint = Checkpoint(tmp_path / "checkpoints", {})
    assert checkpoint.resume(second) == 4
    rest = fit(second, 4, 6, callbacks=[checkpoint])
    assert rest["loss"] == logs["loss"][4:]
    pairs = zip(whole.get_weights(), second.get_weights(), strict=True)
    assert all(np.array_equal(ours, other) for ours, other in pairs)
    moments = [
        [variable.numpy() for variable in optimizer_variables(model.optimizer)]
        for model in (whole, second)
    ]
    assert len(moments[0]) > len(whole.trainable_variables)
    for ours, other in zip(*moments, strict=True):
        np.testing.assert_array_equal(ours, other)


@with_addons
@pytest.mark.parametrize("name", NAMES)
def test_two_replicas_equal_one(name):
    def trained(strategy):
        with strategy.scope():
            model = fixmatch(
                "--optimizer", name, "--weight-decay", 0, "--learning-rate", 0.02
            )
        return fit(model)["loss"], model.get_weights()

    # Not the default reduction: its keys clash between the strategies of one process.
    two = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )
    loss, weights = trained(tf.distribute.get_strategy())
    split_loss, split_weights = trained(two)
    np.testing.assert_allclose(split_loss, loss, rtol=2e-5)
    for ours, other in zip(weights, split_weights, strict=True):
        np.testing.assert_allclose(other, ours, rtol=1e-4, atol=1e-5)


# --- losses and metrics in compile ----------------------------------------------------


@with_addons
def test_a_loss_and_a_metric_of_addons():
    def focal(labels, outputs):
        targets = tf.one_hot(labels, 3)
        return tfa.losses.sigmoid_focal_crossentropy(
            targets, outputs["logits"], from_logits=True
        )

    model = Supervised(dense_classifier(), supervised_loss=focal)
    kappa = tfa.metrics.CohenKappa(3, sparse_labels=True)
    model.compile("sgd", metrics=[kappa])
    logs = model.evaluate(evaluation_dataset(LABELED), return_dict=True, verbose=0)
    logits = model.classifier(LABELED.images, training=False)["logits"].numpy()
    losses, guesses = [], []
    for row, label in zip(logits, LABELED.labels, strict=True):
        total = 0.0
        for k, logit in enumerate(row):
            p = 1 / (1 + np.exp(-logit))
            right, weight = (p, 0.25) if k == label else (1 - p, 0.75)
            total -= weight * (1 - right) ** 2 * np.log(right)
        losses.append(total)
        guesses.append(int(np.argmax(row)))
    assert logs["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    agreed = np.mean(np.equal(guesses, LABELED.labels))
    chance = sum(
        np.mean(np.equal(guesses, k)) * np.mean(LABELED.labels == k) for k in range(3)
    )
    assert logs["cohen_kappa"] == pytest.approx((agreed - chance) / (1 - chance))
    fit_logs = fit(model)
    assert {"cohen_kappa", "val_cohen_kappa"} <= fit_logs.keys()


@with_addons
def test_f1_of_each_action_unit_is_that_of_addons():
    rng = np.random.default_rng(4)
    truth = (rng.random((200, 5)) < [0.1, 0.3, 0.5, 0.7, 0.9]).astype(np.float32)
    scores = rng.random((200, 5)).astype(np.float32)
    ours, theirs = PerAUF1(5), tfa.metrics.F1Score(5, threshold=0.5)
    for rows in (slice(0, 120), slice(120, 200)):
        ours.update_state(truth[rows], scores[rows])
        theirs.update_state(truth[rows], scores[rows])
    result = ours.result()
    found = [float(result[f"f1_AU_{k}"]) for k in range(5)]
    np.testing.assert_allclose(found, theirs.result().numpy(), rtol=1e-6)
    assert float(result["f1"]) == pytest.approx(float(np.mean(theirs.result())))


# --- image operations as references ---------------------------------------------------


def some_image():
    noise = np.random.default_rng(0).integers(0, 256, (40, 36, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (5, 5), 1.5).astype(int)
    return np.clip((smooth - 90) * 3, 0, 255).astype(np.uint8)


# Last: the share of pixels that may be their neighbours. Addons turns in float32: a few
# lie on an edge. It shears by the distance of a pixel's corner, we and Pillow by the
# one of its centre: half of `value` in 1 differ, of 40 or 36 lines.
@with_addons
@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("equalize", None, 0),
        ("rotate", 13.0, 0.003),
        ("rotate", -27.0, 0.003),
        ("shear_x", 0.23, 0.23 / 2 + 1 / 40),
        ("shear_y", -0.17, 0.17 / 2 + 1 / 36),
        ("translate_x", 0.1, 0),
        ("translate_y", -0.12, 0),
    ],
)
def test_image_operations_are_those_of_addons(name, value, others):
    image = some_image()
    of_addons = {
        "equalize": lambda: tfa.image.equalize(image),
        "rotate": lambda: tfa.image.rotate(image, np.deg2rad(value)),
        "shear_x": lambda: tfa.image.shear_x(image, value, [0, 0, 0]),
        "shear_y": lambda: tfa.image.shear_y(image, value, [0, 0, 0]),
        "translate_x": lambda: tfa.image.translate(image, [-value * 36, 0.0]),
        "translate_y": lambda: tfa.image.translate(image, [0.0, -value * 40]),
    }
    expected = np.asarray(of_addons[name]())
    differs = np.any(getattr(ops, name)(image, value) != expected, axis=-1)
    assert np.mean(differs) <= others
    assert np.mean(np.any(image != expected, axis=-1)) > 0.5


@with_addons
@pytest.mark.parametrize("value", [0.3, 1.7])
def test_sharpness_is_that_of_addons_up_to_rounding(value):
    """Addons cuts off where it blurs and where it blends, we round: a level in each,
    the first times |1 - value|."""
    image = some_image()
    expected = np.asarray(tfa.image.sharpness(image, value)).astype(int)
    differences = np.abs(ops.sharpness(image, value) - expected)
    assert differences.max() <= np.floor(abs(1 - value) + 1 + 1e-6) + 1
    assert np.abs(image - expected).max() > 10
