"""Semi-supervised baselines against their equations, on images that are logits."""

import importlib
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import (
    as_images,
    dense_classifier,
    logits_classifier,
    map_classifier,
    random_faces,
    softmax,
)

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.layers import LabelMemory
from kerasfer.schedules import bounded_ramp, sigmoid_ramp, tsa_threshold
from kerasfer.schemes import (
    UDA,
    FixMatch,
    FlexMatch,
    MeanTeacher,
    MixMatch,
    ProgressiveTeacher,
    PseudoLabel,
    ReMixMatch,
    Supervised,
)
from kerasfer.schemes.remixmatch import quarter_turns
from kerasfer.targets.pseudo_labels import distribution_alignment, most_probable

RNG = np.random.default_rng(0)
LOGITS = {
    "image": RNG.normal(size=(4, 3)),
    # Confidences .95, .84, .53 and .46.
    "weak": np.array([[3.7, 0, 0], [0, 2.4, 0], [0.8, 0, 0], [0, 0, 0.5]]),
    "weak_2": RNG.normal(size=(4, 3)),
    "strong": RNG.normal(size=(4, 3)),
    "strong_2": RNG.normal(size=(4, 3)),
}
BATCH = {name: as_images(values) for name, values in LOGITS.items()}
LABELS = np.array([2, 0, 1, 1], np.int32)


def cross_entropies(targets, logits):
    return np.array(
        [-(t * np.log(softmax(z))).sum() for t, z in zip(targets, logits, strict=True)]
    )


SUPERVISED = cross_entropies(np.eye(3)[LABELS], LOGITS["image"]).mean()


def in_a_run(model, share):
    """The model at a share of its run."""
    model.steps_of_run.assign(100.0)
    model.steps_done.assign(100.0 * share)
    return model


# --- Pseudo-Label ---------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.0, 1.1])
def test_pseudo_label(threshold):
    model = in_a_run(PseudoLabel(logits_classifier(), threshold=threshold), 0.1)
    step = model.scheme_step(BATCH, LABELS)
    probs = softmax(LOGITS["weak"])
    own = -np.log(probs.max(-1))  # H(argmax p, p) = -log max p
    kept = probs.max(-1) >= threshold
    expected = 0.25 * (own * kept).sum() / 4  # a tenth of the run: .1 / .4 of the ramp
    np.testing.assert_allclose(step.losses["unlabeled"], expected, rtol=1e-5)
    np.testing.assert_allclose(step.losses["supervised"], SUPERVISED, rtol=1e-5)


def test_pseudo_label_masks_faces_and_not_the_mean():
    """Public codes broadcast (B, 1) with (B,): mean(loss) mean(mask), on all faces."""
    model = PseudoLabel(logits_classifier(), threshold=0.9)
    step = model.scheme_step(BATCH, LABELS)
    own = -np.log(softmax(LOGITS["weak"]).max(-1))
    assert step.pseudo.mask.shape == (4,)
    broadcast = own.mean() * 0.25
    assert abs(float(step.losses["unlabeled"]) - own[0] / 4) < 1e-6
    assert abs(broadcast - own[0] / 4) > 0.05
    weak = tf.Variable(tf.cast(BATCH["weak"], tf.float32))
    with tf.GradientTape() as tape:
        loss = model.scheme_step({**BATCH, "weak": weak}, LABELS).losses["unlabeled"]
    moved = np.abs(tape.gradient(loss, weak)).max((1, 2, 3))
    assert moved[0] > 0 and (moved[1:] == 0).all()


def test_the_papers_pseudo_label_has_no_threshold():
    model = PseudoLabel(logits_classifier(), preset="paper")
    assert model.scheme_step(BATCH, LABELS).pseudo.mask.numpy().all()
    assert model.weights_of_losses["unlabeled"] == 3.0


# --- Mean Teacher ---------------------------------------------------------------------


def test_mean_teacher():
    model = in_a_run(MeanTeacher(logits_classifier()), 0.2)  # half of the ramp
    step = model.scheme_step(BATCH, LABELS)
    teacher, student = softmax(LOGITS["weak"]), softmax(LOGITS["weak_2"])
    expected = 0.5 * ((teacher - student) ** 2).mean()
    np.testing.assert_allclose(step.losses["unlabeled"], expected, rtol=1e-5)
    assert model.weights_of_losses["unlabeled"] == 50.0
    paper = MeanTeacher(logits_classifier(), preset="paper")
    assert paper.weights_of_losses["unlabeled"] == 100.0


def test_the_student_gets_a_gradient_and_the_teacher_none():
    """A public port reads the student's logits from the teacher: a gradient of zero."""
    model = MeanTeacher(logits_classifier())
    views = {name: tf.Variable(BATCH[name]) for name in ("weak", "weak_2")}
    with tf.GradientTape() as tape:
        loss = model.scheme_step({**BATCH, **views}, LABELS).losses["unlabeled"]
    of_teacher, of_student = tape.gradient(loss, list(views.values()))
    assert of_teacher is None and np.abs(of_student).max() > 0.01


def test_the_teacher_is_the_average_in_training_mode():
    model = MeanTeacher(dense_classifier())
    for weight in model.ema_classifier.weights:
        weight.assign(weight * 0.5)
    faces = random_faces(4, side=4)
    taught = model.ema_forward(faces.images)["probs"]
    expected = model.ema_classifier(faces.images, training=True)["probs"]
    np.testing.assert_allclose(taught, expected, rtol=1e-6)
    assert not np.allclose(taught, model.classifier(faces.images)["probs"])


def test_mean_teacher_needs_an_average():
    with pytest.raises(ValueError, match="ema_decay > 0"):
        MeanTeacher(logits_classifier(), ema_decay=0)
    with pytest.raises(ValueError, match="ramp_shape in linear, sigmoid"):
        MeanTeacher(logits_classifier(), ramp_shape="cosine")


def test_teacher_and_student_start_equal():
    model = MeanTeacher(dense_classifier())
    for average, weight in zip(
        model.ema_classifier.weights, model.classifier.weights, strict=True
    ):
        np.testing.assert_array_equal(average.numpy(), weight.numpy())


# --- MixMatch and ReMixMatch ----------------------------------------------------------


def with_mix_dice(count, weight=None):
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 1, count) if weight is None else np.full(count, weight)
    return {
        "mix_weight": weights.astype(np.float32),
        "mix_key": rng.random(count).astype(np.float32),
    }


def mixed_by_loops(logits, targets, dice):
    order = np.argsort(dice["mix_key"])
    out_logits, out_targets = [], []
    for i, w in enumerate(dice["mix_weight"]):
        out_logits.append(w * logits[i] + (1 - w) * logits[order[i]])
        out_targets.append(w * targets[i] + (1 - w) * targets[order[i]])
    return np.array(out_logits), np.array(out_targets)


def sharpened(probs, temperature):
    powers = probs ** (1 / temperature)
    return powers / powers.sum(-1, keepdims=True)


def test_mixmatch():
    model = in_a_run(MixMatch(logits_classifier()), 0.4)  # half of the ramp
    dice = with_mix_dice(12)
    step = model.scheme_step({**BATCH, **dice}, LABELS)
    q = sharpened((softmax(LOGITS["weak"]) + softmax(LOGITS["weak_2"])) / 2, 0.5)
    logits = np.concatenate([LOGITS[v] for v in ("image", "weak", "weak_2")])
    targets = np.concatenate([np.eye(3)[LABELS], q, q])
    logits, targets = mixed_by_loops(logits, targets, dice)
    labeled = cross_entropies(targets[:4], logits[:4]).mean()
    # A mean over faces and classes: the weight is not divided by K again.
    error = 0.5 * ((targets[4:] - softmax(logits[4:])) ** 2).mean()
    np.testing.assert_allclose(step.losses["supervised"], labeled, rtol=1e-5)
    np.testing.assert_allclose(step.losses["unlabeled"], error, rtol=1e-5)
    np.testing.assert_array_equal(step.pseudo.labels, q.argmax(-1))


def test_mixmatch_presets():
    assert MixMatch(logits_classifier()).weights_of_losses["unlabeled"] == 20.0
    paper = MixMatch(logits_classifier(), preset="paper")
    assert paper.weights_of_losses["unlabeled"] == 75.0
    with pytest.raises(ValueError, match="`preset` must be one of fer, paper"):
        MixMatch(logits_classifier(), preset="cifar")
    with pytest.raises(ValueError, match="must be more than 0. Received: 0"):
        MixMatch(logits_classifier(), temperature=0)


@pytest.mark.parametrize("scheme", [MixMatch, ReMixMatch])
def test_the_ramp_counts_images(scheme):
    """64 of 128 faces: half the weight; 16,384 steps of 64 are the codes' 1024 k."""
    model = scheme(classifier_of_faces(), ramp=1.0, ramp_images=128)
    faces = random_faces(16, side=16)
    data = training_dataset(faces, faces, model.all_views, 8, seed=1)
    batch, labels = next(iter(data))
    model.steps_of_run.assign(1e9)
    losses = []
    for done in (8.0, 16.0):  # 64 and 128 faces
        model.steps_done.assign(done)
        losses.append(float(model.scheme_step(batch, labels).losses["unlabeled"]))
    assert losses[0] == pytest.approx(losses[1] / 2, rel=0.02)
    assert scheme(classifier_of_faces()).ramp_images == 16384 * 64


def classifier_of_faces():
    keras.utils.set_random_seed(0)
    return dense_classifier(side=16)


def test_ramps():
    # Half of 0.8 of a run, or 4096 of 16384 images: whichever is further.
    np.testing.assert_allclose(bounded_ramp(0.4, 0.8, 0.0, 16384), 0.5)
    np.testing.assert_allclose(bounded_ramp(0.1, 1.0, 4096.0, 16384), 0.25)
    assert float(bounded_ramp(0.1, 1.0, 1e6, 16384)) == 1.0
    np.testing.assert_allclose(sigmoid_ramp(0.1, 0.2), np.exp(-5 * 0.25), rtol=1e-6)
    assert float(sigmoid_ramp(0.9, 0.2)) == 1.0


def square_logits_classifier():
    """Images of 2 by 2 pixels; the first pixel is the logits, the second another's."""
    images = keras.Input((2, 2, 3))
    logits = images[:, 0, 0]
    probs = keras.layers.Activation("softmax")(logits)
    return keras.Model(images, {"embedding": logits, "logits": logits, "probs": probs})


def test_remixmatch():
    model = in_a_run(ReMixMatch(square_logits_classifier()), 0.4)  # half of the ramp
    kernel = RNG.normal(size=(3, 4)).astype(np.float32)
    model.classifier.get_layer("rotation_logits").set_weights([kernel, np.zeros(4)])
    model.labeled_share.assign([0.5, 0.3, 0.2])
    predicted = RNG.dirichlet([1, 1, 1], 128).astype(np.float32)
    model.predicted.assign(predicted)
    pixels = {v: RNG.normal(size=(4, 2, 2, 3)).astype(np.float32) for v in LOGITS}
    dice = with_mix_dice(16)
    step = model.scheme_step({**pixels, **dice}, LABELS)

    first = {view: images[:, 0, 0] for view, images in pixels.items()}
    weak = softmax(first["weak"])
    ratio = (np.array([0.5, 0.3, 0.2]) + 1e-6) / (predicted.mean(0) + 1e-6)
    guess = weak * ratio / (weak * ratio).sum(-1, keepdims=True)
    q = sharpened(guess, 0.5)
    logits = np.concatenate([first[v] for v in ("image", "weak", "strong", "strong_2")])
    targets = np.concatenate([np.eye(3)[LABELS], q, q, q])
    logits, targets = mixed_by_loops(logits, targets, dice)
    turned = [np.rot90(pixels["strong"][i], i)[0, 0] @ kernel for i in range(4)]
    expected = {
        "supervised": cross_entropies(targets[:4], logits[:4]).mean(),
        "unlabeled": 0.5 * cross_entropies(targets[4:], logits[4:]).mean(),
        "anchor": 0.5 * cross_entropies(q, first["strong"]).mean(),
        "rotation": cross_entropies(np.eye(4), turned).mean(),
    }
    assert step.losses.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(step.losses[name], value, rtol=1e-5, err_msg=name)
    # The oldest batch leaves the memory, this one's unaligned mean enters.
    moved = {id(variable): np.asarray(value) for variable, value in step.updates}
    memory = np.concatenate([predicted[1:], weak.mean(0, keepdims=True)])
    np.testing.assert_allclose(moved[id(model.predicted)], memory, rtol=1e-5)
    share = 0.999 * np.array([0.5, 0.3, 0.2]) + 0.001 * np.array([0.25, 0.5, 0.25])
    np.testing.assert_allclose(moved[id(model.labeled_share)], share, rtol=1e-6)


def test_alignment():
    probs = RNG.dirichlet([1, 2, 3], 5)
    mean = probs.mean(0)
    np.testing.assert_allclose(
        distribution_alignment(probs, mean, mean), probs, rtol=1e-6
    )
    shifted = np.asarray(distribution_alignment(probs, [0.0, 0.5, 0.5], mean))
    np.testing.assert_allclose(shifted.sum(-1), np.ones(5), rtol=1e-6)
    assert (shifted[:, 0] < 1e-4).all()
    never = np.asarray(
        distribution_alignment(probs, mean, [0.0, 0.5, 0.5])
    )  # class 0 not predicted
    assert np.isfinite(never).all() and (never[:, 0] > 0.99).all()


def test_quarter_turns():
    images = RNG.integers(0, 256, (6, 5, 5, 3)).astype(np.uint8)
    turned, turns = quarter_turns(images)
    np.testing.assert_array_equal(turns, [0, 1, 2, 3, 0, 1])
    for i in range(6):
        np.testing.assert_array_equal(turned[i], np.rot90(images[i], i % 4))


def test_what_remixmatch_refuses():
    with pytest.raises(ValueError, match="square images. .*images 4 x 6"):
        images = keras.Input((4, 6, 3))
        flat = keras.layers.Flatten()(images)
        logits = keras.layers.Dense(3)(flat)
        probs = keras.layers.Activation("softmax")(logits)
        outputs = {"embedding": flat, "logits": logits, "probs": probs}
        ReMixMatch(keras.Model(images, outputs))
    with pytest.raises(ValueError, match="3 shares that sum to 1"):
        ReMixMatch(dense_classifier(), class_distribution=[0.5, 0.6, 0.1])


# --- UDA ------------------------------------------------------------------------------


def test_uda():
    model = UDA(logits_classifier(), threshold=0.75, temperature=0.4)
    step = model.scheme_step(BATCH, LABELS)
    probs = softmax(LOGITS["weak"])
    q = softmax(LOGITS["weak"] / 0.4)
    p = softmax(LOGITS["strong"])
    divergence = (q * np.log(q / p)).sum(-1)
    kept = probs.max(-1) >= 0.75  # two; sharpened, the third would pass too
    assert kept.sum() == 2 and (q.max(-1) >= 0.75).sum() == 3
    np.testing.assert_array_equal(step.pseudo.mask, kept)
    expected = (divergence * kept).sum() / 4
    np.testing.assert_allclose(step.losses["unlabeled"], expected, rtol=1e-5)


def test_the_targets_of_uda_have_no_gradient():
    model = UDA(logits_classifier(), threshold=0.0, ema_decay=0)
    weak, strong = (tf.Variable(BATCH[view]) for view in ("weak", "strong"))
    with tf.GradientTape() as tape:
        step = model.scheme_step({**BATCH, "weak": weak, "strong": strong}, LABELS)
    of_weak, of_strong = tape.gradient(step.losses["unlabeled"], (weak, strong))
    assert of_weak is None or not np.any(of_weak)
    assert np.abs(of_strong).max() > 0.01


def test_the_temperature_of_uda_changes_its_target():
    """A public port passes probabilities through unchanged: T is ignored there."""
    losses = [
        float(
            UDA(logits_classifier(), threshold=0.0, temperature=t)
            .scheme_step(BATCH, LABELS)
            .losses["unlabeled"]
        )
        for t in (0.4, 1.0)
    ]
    assert abs(losses[0] - losses[1]) > 0.1


def test_training_signal_annealing_looks_at_the_true_class():
    model = in_a_run(UDA(logits_classifier(), tsa="linear"), 0.05)
    step = model.scheme_step(BATCH, LABELS)
    eta = 0.05 * (1 - 1 / 3) + 1 / 3
    of_true = softmax(LOGITS["image"])[np.arange(4), LABELS]
    kept = of_true <= eta
    assert 0 < kept.sum() < 4
    expected = (-np.log(of_true) * kept).sum() / kept.sum()  # over those kept
    np.testing.assert_allclose(step.losses["supervised"], expected, rtol=1e-5)


def test_training_signal_annealing_may_leave_nobody():
    sure = as_images([[9.0, 0, 0]] * 4)
    model = in_a_run(UDA(logits_classifier(), tsa="exp"), 0.0)
    image = tf.Variable(sure)
    with tf.GradientTape() as tape:
        step = model.scheme_step({**BATCH, "image": image}, np.zeros(4, np.int32))
        loss = step.losses["supervised"]
    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, image), np.zeros((4, 1, 1, 3)))


@pytest.mark.parametrize(
    ("shape", "middle"),
    [("linear", 0.5), ("exp", np.exp(-2.5)), ("log", 1 - np.exp(-2.5))],
)
def test_tsa_shapes(shape, middle):
    expected = middle * 6 / 7 + 1 / 7
    np.testing.assert_allclose(tsa_threshold(0.5, 7, shape), expected, rtol=1e-6)
    np.testing.assert_allclose(tsa_threshold(1.0, 7, shape), 1.0, atol=0.01)


def test_uda_presets_and_what_it_refuses():
    assert UDA(logits_classifier()).threshold == 0.8
    fixmatch = UDA(logits_classifier(), preset="fixmatch")
    assert (fixmatch.temperature, fixmatch.threshold) == (1.0, 0.95)
    with pytest.raises(
        ValueError, match="`tsa` must be None or one of linear, exp, log"
    ):
        UDA(logits_classifier(), tsa="cosine")
    with pytest.raises(ValueError, match="`temperature` must be more than 0"):
        UDA(logits_classifier(), temperature=0)


# --- FlexMatch ------------------------------------------------------------------------


def flexmatch(num_unlabeled=10, **options):
    return FlexMatch(logits_classifier(), num_unlabeled=num_unlabeled, **options)


def apply(updates):
    for variable, value in updates:
        variable.assign(value)


def test_thresholds_of_flexmatch():
    model = flexmatch(threshold=0.9)
    model.memory.counts.assign([4.0, 1.0, 0.0])  # five of ten never selected
    beta = np.array([4, 1, 0]) / 5
    np.testing.assert_allclose(model.thresholds(), 0.9 * beta / (2 - beta), rtol=1e-6)
    cold = flexmatch(threshold=0.9, warm_up=False)
    cold.memory.counts.assign([4.0, 1.0, 0.0])
    beta = np.array([4, 1, 0]) / 4
    np.testing.assert_allclose(cold.thresholds(), 0.9 * beta / (2 - beta), rtol=1e-6)


@pytest.mark.parametrize("warm_up", [True, False])
def test_flexmatch_starts_by_letting_everything_in(warm_up):
    model = flexmatch(warm_up=warm_up)
    np.testing.assert_array_equal(model.thresholds(), np.zeros(3))
    step = model.scheme_step({**BATCH, "index": np.arange(4)}, LABELS)
    assert step.pseudo.mask.numpy().all()


def test_flexmatch_remembers_by_the_fixed_threshold():
    model = flexmatch(threshold=0.8)
    index = np.array([7, 2, 5, 0], np.int32)
    step = model.scheme_step({**BATCH, "index": index}, LABELS)
    apply(step.updates)
    # Confidences .95 and .84 reach 0.8: faces 7 and 2 are remembered.
    expected = np.full(10, -1)
    expected[7], expected[2] = 0, 1
    np.testing.assert_array_equal(model.memory.labels.numpy(), expected)
    np.testing.assert_array_equal(model.memory.counts, [1, 1, 0])
    # Now beta = (1, 1, 0) / 8: the loss is FixMatch's with these thresholds.
    step = model.scheme_step({**BATCH, "index": index}, LABELS)
    thresholds = 0.8 * np.array([1, 1, 0]) / 8 / (2 - np.array([1, 1, 0]) / 8)
    probs = softmax(LOGITS["weak"])
    kept = probs.max(-1) >= thresholds[probs.argmax(-1)]
    strong = cross_entropies(np.eye(3)[probs.argmax(-1)], LOGITS["strong"])
    np.testing.assert_allclose(step.losses["unlabeled"], (strong * kept).mean(), 1e-5)


def test_label_memory_by_loops():
    memory, rng = LabelMemory(12, 4), np.random.default_rng(2)
    expected = np.full(12, -1)
    for _ in range(30):
        index = rng.integers(0, 12, 8)  # a face may come twice
        labels, mask = rng.integers(0, 4, 8), rng.integers(0, 2, 8)
        apply(memory.remembering(index, labels, mask.astype(np.float32)))
        for i, label, kept in zip(index, labels, mask, strict=True):
            if kept:
                expected[i] = label
        np.testing.assert_array_equal(memory.labels.numpy(), expected)
        counts = np.bincount(expected[expected >= 0], minlength=4)
        np.testing.assert_array_equal(memory.counts, counts)


def test_label_memory_of_a_million_faces_is_eight_bytes_each_and_fast():
    # int64, as int16 cannot be broadcast to other workers.
    memory = LabelMemory(10**6, 8)
    assert memory.labels.numpy().nbytes == 8 * 10**6

    @tf.function
    def step(index):
        for variable, value in memory.remembering(
            index, index % 8, tf.ones_like(index, tf.float32)
        ):
            variable.assign(value)

    times = []
    for start in range(30):
        index = tf.range(start * 64, (start + 1) * 64)
        begin = time.perf_counter()
        step(index)
        times.append(time.perf_counter() - begin)
    # Under 1 ms on an idle core; ten times that leaves room for a busy machine.
    assert np.median(times[5:]) < 10e-3


def test_what_label_memory_refuses():
    with pytest.raises(ValueError, match="Received: size=0"):
        LabelMemory(0, 3)
    memory = LabelMemory(3, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_unlabeled"):
        memory.remembering([3], [0], [1.0])


def test_label_memory_survives_saving_and_the_order_of_faces(tmp_path):
    labeled, unlabeled = random_faces(12, side=4), random_faces(20, side=4, seed=1)

    def fitted(model, start_step, steps):
        model.compile(keras.optimizers.SGD(0.1))
        data = training_dataset(
            labeled, unlabeled, model.all_views, 8, start_step=start_step
        )
        model.fit(data, steps_per_epoch=steps, verbose=0)
        return model

    def build():
        keras.utils.set_random_seed(3)
        return FlexMatch(dense_classifier(), num_unlabeled=20, threshold=0.4)

    whole = fitted(build(), 0, 6)
    first = fitted(build(), 0, 3)
    first.save_weights(tmp_path / "half.weights.h5")
    resumed = build()
    resumed.load_weights(tmp_path / "half.weights.h5")
    fitted(resumed, 3, 3)
    assert (whole.memory.labels.numpy() >= 0).sum() > 5
    np.testing.assert_array_equal(
        whole.memory.labels.numpy(), resumed.memory.labels.numpy()
    )
    # Row i of the memory is face i, whatever the order of the batches.
    guesses = np.asarray(most_probable(whole.classifier(unlabeled.images)["probs"])[0])
    known = whole.memory.labels.numpy() >= 0
    assert (whole.memory.labels.numpy() == guesses)[known].mean() > 0.7


def test_flexmatch_of_equal_classes_is_fixmatch():
    model = flexmatch(num_unlabeled=3, threshold=0.9)
    model.memory.counts.assign([1.0, 1.0, 1.0])  # beta 1: T = tau
    fixmatch = FixMatch(logits_classifier(), threshold=0.9)
    ours = model.scheme_step({**BATCH, "index": np.arange(3).repeat(2)[:4]}, LABELS)
    theirs = fixmatch.scheme_step(BATCH, LABELS)
    for name, value in theirs.losses.items():
        np.testing.assert_allclose(ours.losses[name], value, rtol=1e-6)


# --- Progressive Teacher --------------------------------------------------------------


def test_progressive_teacher_drops_the_faces_its_teacher_finds_wrong():
    model = ProgressiveTeacher(logits_classifier(), drop=0.5, drop_ramp=0.4)
    losses = cross_entropies(np.eye(3)[LABELS], LOGITS["image"])
    for share, kept in [(0.0, 4), (0.2, 3), (0.4, 2), (1.0, 2)]:
        # R = 1 - .5 min(t / .4, 1): 1, .75, .5, .5 of four faces.
        step = in_a_run(model, share).scheme_step(BATCH, LABELS)
        expected = np.sort(losses)[:kept].mean()
        np.testing.assert_allclose(step.losses["supervised"], expected, rtol=1e-5)
    error = ((softmax(LOGITS["weak"]) - softmax(LOGITS["weak_2"])) ** 2).mean()
    np.testing.assert_allclose(step.losses["unlabeled"], error, rtol=1e-5)


def test_progressive_teacher_without_dropping_is_mean_teacher():
    ours = ProgressiveTeacher(logits_classifier(), drop=0.0)
    theirs = MeanTeacher(logits_classifier())
    ours, theirs = (m.scheme_step(BATCH, LABELS).losses for m in (ours, theirs))
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6)
    with pytest.raises(ValueError, match="drop in .0, 1. and ema_decay > 0"):
        ProgressiveTeacher(logits_classifier(), drop=1.0)


# --- all of them ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "scheme",
    [PseudoLabel, MeanTeacher, MixMatch, ReMixMatch, UDA, ProgressiveTeacher],
)
def test_without_unlabeled_weight_a_baseline_learns_the_labels(scheme):
    """Three classes that a line tells apart, learned in a few steps."""
    faces = random_faces(60, side=4)
    model = scheme(map_classifier(), loss_weights={"unlabeled": 0.0}, ema_decay=0.9)
    model.compile(
        keras.optimizers.Adam(0.02),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    model.fit(
        training_dataset(faces, faces, model.all_views, 16, pad=0.0, mixup_alpha=0.1),
        steps_per_epoch=60,
        verbose=0,
        callbacks=[EpochUpdate(evaluation_dataset(faces))],
    )
    logs = model.evaluate(evaluation_dataset(faces), verbose=0, return_dict=True)
    reference = Supervised(map_classifier())
    reference.compile(metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")])
    untrained = reference.evaluate(
        evaluation_dataset(faces), verbose=0, return_dict=True
    )
    assert logs["accuracy"] > max(0.6, untrained["accuracy"])


# --- targets are constants ------------------------------------------------------------


@pytest.mark.parametrize("scheme", [MixMatch, ReMixMatch])
def test_guesses_have_no_gradient(scheme, monkeypatch):
    """The gradient is that with the guesses given as numbers."""
    module = importlib.import_module(scheme.__module__)
    faces, options = random_faces(12, side=4), {}
    classifier = map_classifier() if scheme is ReMixMatch else dense_classifier()
    model = scheme(classifier, ema_decay=0, **options)
    data = training_dataset(faces, faces, model.all_views, 4)
    ((batch, labels),) = data.take(1)
    found, sharpened = [], module.sharpen
    for as_numbers in (False, True):
        if as_numbers:
            monkeypatch.setattr(
                module,
                "sharpen",
                lambda probs, t: tf.constant(sharpened(probs, t).numpy()),
            )
        with tf.GradientTape() as tape:
            loss = model.scheme_step(batch, labels).losses["unlabeled"]
        found.append(tape.gradient(loss, classifier.trainable_variables))
    for one, other in zip(*found, strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)
