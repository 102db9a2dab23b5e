"""What every scheme passes, alone and with every plug-in."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.contract import build, dataset, faces_of, fit, state
from support.contract_cases import (
    EACH_ONCE,
    PAIRS,
    PLUG_INS,
    SCHEMES,
    WITH_BATCH_STATISTICS,
    Everything,
)
from support.rotation import often

from kerasfer.callbacks import EpochUpdate
from kerasfer.callbacks.checkpoint import Checkpoint
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import FixMatch, Supervised


@pytest.fixture(params=often(PAIRS), ids="-".join)
def pair(request):
    return request.param


@pytest.fixture
def plug_ins(pair):
    return PLUG_INS[pair[1]]


@pytest.fixture
def scheme(pair):
    return SCHEMES[pair[0]]


@pytest.fixture(params=often(SCHEMES))
def any_scheme(request):
    return SCHEMES[request.param]


def test_every_trainable_weight_moves_and_logs_are_finite(scheme, plug_ins):
    model = build(scheme, plug_ins)
    before = [w.numpy() for w in model.trainable_variables]
    logs = fit(model, steps=1)
    assert all(np.isfinite(values).all() for values in logs.values()), logs
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert (old != variable.numpy()).any(), variable.name
    for plug_in in model.plug_ins:
        if isinstance(plug_in, Everything):
            assert float(plug_in.count) == 1 and plug_in.epochs == 1


def test_training_is_repeatable(scheme, plug_ins):
    first, second = build(scheme, plug_ins), build(scheme, plug_ins)
    logs, again = fit(first), fit(second)
    assert logs.keys() == again.keys()
    for name in logs:
        np.testing.assert_array_equal(logs[name], again[name])
    for ours, theirs in zip(state(first).values(), state(second).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_run_in_two_parts_is_one_run(pair, scheme, plug_ins, tmp_path):
    if pair[0] == "rul" and not hasattr(keras, "random"):
        pytest.skip("the draws of Keras 2.15's Dropout are in no variable")

    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    def run(folder, *more):
        model = build(scheme, plug_ins)
        checkpoint = Checkpoint(folder, {})
        done = checkpoint.resume(model)
        update = EpochUpdate(*map(evaluation_dataset, faces_of(model)))
        model.fit(
            dataset(model, start_step=2 * done),
            steps_per_epoch=2,
            initial_epoch=done,
            epochs=2,
            verbose=0,
            callbacks=[update, checkpoint, *more],
        )
        return model

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", Killed())
    parts = run(tmp_path / "parts")
    for ours, theirs in zip(state(whole).values(), state(parts).values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_the_averaged_copy_holds_is_trained(scheme, plug_ins):
    model = build(scheme, plug_ins)
    averaged = {id(w) for w in model.ema_classifier.trainable_variables}
    assert averaged and not averaged & {id(w) for w in model.trainable_variables}


def test_weights_are_all_the_state_there_is(scheme, plug_ins, tmp_path):
    model = build(scheme, plug_ins)
    fit(model, epochs=2)
    model.save_weights(tmp_path / "m.weights.h5")
    again = build(scheme, plug_ins)
    again.load_weights(tmp_path / "m.weights.h5")
    own = [w for w in model.weights if "seed" not in w.name]
    restored = [w for w in again.weights if "seed" not in w.name]
    for ours, theirs in zip(own, restored, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.name)
    assert float(again.steps_done) == 6


def test_a_class_absent_from_the_batch_gives_finite_gradients(scheme, plug_ins):
    model = build(scheme, plug_ins)
    labeled, unlabeled = faces_of(model)
    one_class = labeled.subset(labeled.labels == 0)
    data = training_dataset(one_class, unlabeled, model.all_views, 8)
    batch, label = next(iter(data))
    model.train_step((batch, label))
    assert all(np.isfinite(values).all() for values in state(model).values())


def test_an_overflowing_step_leaves_weights_and_state_as_they_were(scheme, plug_ins):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        # A loss scale of 2^40 overflows the float16 gradients for certain.
        optimizer = keras.mixed_precision.LossScaleOptimizer(
            keras.optimizers.SGD(0.1), **_initial_scale(2.0**40)
        )
        model = build(scheme, plug_ins, optimizer, dtype="mixed_float16")
        # All there is but counts of steps, the loss scale, metrics and rng.
        counts = [model.steps_done, model.steps_of_run]
        left_out = {id(w) for w in [*counts, *_variables_of(model.optimizer)]}
        moved = [w for w in _kept(model) if id(w) not in left_out]
        moved = [w for w in moved if "seed" not in w.name]
        assert len(moved) > 10
        before = [w.numpy() for w in moved]
        batch, label = next(iter(dataset(model)))
        model.train_step((batch, label))
        for old, variable in zip(before, moved, strict=True):
            np.testing.assert_array_equal(old, variable.numpy(), err_msg=variable.name)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def _variables_of(optimizer):
    variables = optimizer.variables
    return variables() if callable(variables) else variables


def _initial_scale(scale):
    try:
        keras.mixed_precision.LossScaleOptimizer(
            keras.optimizers.SGD(), initial_scale=scale
        )
    except TypeError:
        return {"dynamic": True, "initial_scale": scale}
    return {"initial_scale": scale}


@pytest.fixture(params=often(EACH_ONCE), ids="-".join)
def any_pair(request):
    """Every scheme, and every plug-in."""
    if request.param[0] == "rul":
        pytest.skip("dropout draws other masks in another precision, and under XLA")
    return SCHEMES[request.param[0]], PLUG_INS[request.param[1]]


@pytest.mark.parametrize(
    "policy",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
def test_mixed_precision_learns_what_float32_learns(any_pair, policy):
    scheme, plug_ins = any_pair
    reference = build(scheme, plug_ins)
    full = fit(reference)
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = build(scheme, plug_ins, dtype=policy)
        half = fit(model)
        for weight in model.weights:  # of what is trained, and all state
            assert weight.dtype not in ("float16", "bfloat16"), weight.name
        outputs = model.infer(faces_of(model)[0].images)
        for name in ("embedding", "logits", "probs"):
            assert outputs[name].dtype == tf.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")
    # bfloat16 keeps 8 bits: 2^-8 per operation, a few operations, three steps. Without
    # loss scaling, float16 SGD would stand still and the loss stay at its first value.
    np.testing.assert_allclose(half["loss"], full["loss"], rtol=0.03)
    if scheme is SCHEMES["simsiam"]:
        return  # its projection is divided by deviations of 16 faces, errors too
    start = build(scheme, plug_ins)
    for begun, ours, theirs in zip(
        start.trainable_variables,
        model.trainable_variables,
        reference.trainable_variables,
        strict=True,
    ):
        moved = np.linalg.norm(theirs.numpy() - begun.numpy())
        error = np.linalg.norm(ours.numpy() - theirs.numpy())
        assert error < 0.15 * moved, ours.name


@pytest.mark.slow
def test_xla_learns_what_the_graph_learns(any_pair):
    scheme, plug_ins = any_pair
    graph, compiled = build(scheme, plug_ins), build(scheme, plug_ins)
    compiled.jit_compile = True
    losses = fit(graph)["loss"], fit(compiled)["loss"]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for ours, theirs in zip(
        compiled.trainable_variables, graph.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)


def test_two_replicas_equal_one(pair, scheme, plug_ins):
    """MixUp's partners depend on the split of the batch, so Margin-Mix is compared with
    mixing weights of 1: each face then stays what it is."""
    if pair[0] in WITH_BATCH_STATISTICS:
        pytest.skip("batch statistics and dropout differ with the split of a batch")
    data_options = {"mixup_alpha": 1e-3}  # Beta at its ends: weights of 1
    one = build(scheme, plug_ins)
    logs = fit(one, **data_options)
    # Not the default reduction: its keys clash between the strategies of one process.
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        two = build(scheme, plug_ins)
        split_logs = fit(two, **data_options)
    assert logs.keys() == split_logs.keys()
    for name in logs:
        np.testing.assert_allclose(logs[name], split_logs[name], rtol=2e-5, atol=1e-6)
    for variable, other in zip(_kept(one), _kept(two), strict=True):
        np.testing.assert_allclose(
            variable.numpy(), other.numpy(), rtol=1e-4, atol=1e-6, err_msg=variable.name
        )


def _kept(model):
    """All weights but the sums inside of metrics, which may count per replica."""
    counted = {id(v) for metric in model.metrics for v in metric.variables}
    return [variable for variable in model.weights if id(variable) not in counted]


def test_a_plug_in_with_zero_weight_changes_nothing(any_scheme):
    scheme = any_scheme
    if scheme in [SCHEMES[name] for name in WITH_BATCH_STATISTICS]:
        pytest.skip("the plug-in's view moves batch statistics, and dropout's draws")

    class Silent(Everything):
        def select(self, weak, rule, scores):
            return rule(scores)

    alone = build(scheme)
    silent = build(scheme, (Silent,), loss_weights={"head": 0.0})
    fit(alone), fit(silent, views=silent.all_views)
    images = faces_of(alone)[0].images
    ours, theirs = (m.infer(images, averaged=False) for m in (alone, silent))
    for name in ours:
        # The same sums in another graph: numbers near 1, rounded at 2^-24 many times.
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-5, atol=1e-5)


def test_the_classifier_ships_without_the_scheme(scheme, plug_ins, tmp_path):
    model = build(scheme, plug_ins)
    fit(model)
    model.inference_classifier.save(tmp_path / "classifier.keras")
    shipped = keras.models.load_model(tmp_path / "classifier.keras")
    faces = faces_of(model)[0]
    expected = model.predict(evaluation_dataset(faces), verbose=0)
    np.testing.assert_allclose(shipped(faces.images)["probs"], expected, rtol=1e-5)


def test_fixmatch_that_trusts_nothing_is_supervised():
    supervised = build(Supervised)
    fixmatch = build(lambda c, **kw: FixMatch(c, threshold=1.1, **kw))
    fit(supervised), fit(fixmatch)
    for ours, theirs in zip(
        supervised.classifier.weights, fixmatch.classifier.weights, strict=True
    ):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)
