"""Training on two devices: what the contract does not see."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import map_classifier, random_faces

from kerasfer.callbacks import EpochUpdate
from kerasfer.classifiers import build_classifier
from kerasfer.data import (
    distributed_training_dataset,
    evaluation_dataset,
    training_dataset,
)
from kerasfer.metrics import MeanClassAccuracy
from kerasfer.schemes import FixMatch, MarginMix, MixMatch, Supervised

LABELED, UNLABELED = random_faces(12, side=4), random_faces(16, side=4, seed=1)


def two_devices():
    # Not the default reduction: its keys clash between the strategies of one process.
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )


def trained(
    build, strategy=None, validation_batch=12, ratio=1, epochs=2, faces=LABELED,
    entries=(),
):  # fmt: skip
    """A model and the logs of its epochs; outside of the scope it is only built in."""
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        keras.utils.set_random_seed(5)
        model = build()
        metrics = [
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            MeanClassAccuracy(3),
        ]
        model.compile(keras.optimizers.SGD(0.1), metrics=metrics)
    data = training_dataset(
        faces, UNLABELED, model.all_views + entries,
        batch_size=8, unlabeled_ratio=ratio, seed=2,
    )  # fmt: skip
    history = model.fit(
        data,
        validation_data=evaluation_dataset(faces, validation_batch),
        steps_per_epoch=3,
        epochs=epochs,
        verbose=0,
        callbacks=[EpochUpdate(evaluation_dataset(faces))],
    )
    return model, history.history


def same_logs(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(
            two[name], one[name], rtol=2e-5, atol=1e-6, err_msg=name
        )


# The last batch: shared evenly, by two replicas unevenly, not at all by the second one.
@pytest.mark.parametrize("validation_batch", [6, 7, 11])
def test_metrics_are_of_all_faces_together(validation_batch):
    def build():
        return FixMatch(map_classifier(), threshold=0.3)

    _, one = trained(build, validation_batch=12)
    _, split = trained(build, two_devices(), validation_batch)
    same_logs(one, split)


def test_devices_that_read_their_own_part_see_the_same_batches():
    def build():
        return FixMatch(map_classifier(), threshold=0.3)

    strategy = two_devices()
    _, logs = trained(build)
    with strategy.scope():
        keras.utils.set_random_seed(5)
        model = build()
        model.compile(keras.optimizers.SGD(0.1))
    data = distributed_training_dataset(
        strategy, LABELED, UNLABELED, model.all_views, batch_size=8, seed=2
    )
    history = model.fit(data, steps_per_epoch=3, epochs=2, verbose=0)
    np.testing.assert_allclose(history.history["loss"], logs["loss"], rtol=2e-5)


def test_two_unlabelled_faces_for_each_labelled_one():
    def build():
        return FixMatch(map_classifier(), threshold=0.3)

    one, logs = trained(build, ratio=2, entries=("audit_label",))
    two, split_logs = trained(build, two_devices(), ratio=2, entries=("audit_label",))
    same_logs(logs, split_logs)
    for ours, theirs in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scheme", [MarginMix, MixMatch])
def test_partners_of_mixup_are_of_the_same_replica(scheme):
    """So the numbers are others than on one device; what holds is that replicas stay
    copies of each other, and that training is repeatable and learns."""

    def build():
        return scheme(map_classifier(), ramp=0.0, loss_weights={"unlabeled": 0.3})

    two, logs = trained(build, two_devices(), epochs=5)
    _again, same = trained(build, two_devices(), epochs=5)
    assert logs == same
    for variable in two.weights:
        copies = two.distribute_strategy.experimental_local_results(
            getattr(variable, "value", variable)
        )
        if len(copies) == 2:
            np.testing.assert_array_equal(copies[0].numpy(), copies[1].numpy())
    assert logs["loss"][-1] < logs["loss"][0]


def test_batch_statistics_are_those_of_the_whole_batch_if_asked_for():
    def build(synchronized):
        return lambda: Supervised(
            build_classifier(
                "compact", (16, 16, 3), 3, synchronized_batch_norm=synchronized
            )
        )

    options = {"faces": random_faces(12, side=16), "epochs": 1}
    one, logs = trained(build(True), **options)
    two, split_logs = trained(build(True), two_devices(), **options)
    apart, _ = trained(build(False), two_devices(), **options)
    assert logs["loss"] == pytest.approx(split_logs["loss"], rel=1e-4)
    for ours, theirs in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=1e-3, atol=1e-5)
    pairs = zip(one.get_weights(), apart.get_weights(), strict=True)
    assert max(np.abs(ours - other).max() for ours, other in pairs) > 1e-2


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    with two_devices().scope():
        model = Supervised(map_classifier())
        model.compile("sgd")
    data = training_dataset(LABELED, batch_size=7)
    with pytest.raises(ValueError, match="multiple of 2.*Received: 7"):
        model.fit(data, steps_per_epoch=1, verbose=0)
