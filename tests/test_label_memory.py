"""The layer that remembers a label of each face."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.logits_batch import apply
from support.toys import (
    dense_classifier,
    random_faces,
)

from kerasfer.data import training_dataset
from kerasfer.layers import LabelMemory
from kerasfer.schemes import (
    FlexMatch,
)
from kerasfer.targets.pseudo_labels import most_probable


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
