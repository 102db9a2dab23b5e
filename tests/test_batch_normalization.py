"""Batch normalisation in one operation: the equation, and Keras' layer beside it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfer.layers import BatchNormalization

SHAPE = (4, 3, 5, 6)


def maps(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(2.0, 3.0, shape).astype(np.float32)


def built(layer, shape=SHAPE):
    """With a scale, an offset and statistics that are not the first ones."""
    layer.build(shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 2.0, w.shape) for w in layer.get_weights()])
    return layer


def test_training_by_hand():
    layer = built(BatchNormalization(momentum=0.9, epsilon=1e-3))
    gamma, beta, mean, variance = layer.get_weights()
    images = maps()
    outputs = layer(images, training=True).numpy()
    for k in range(SHAPE[-1]):
        plane = images[..., k].astype(float)
        expected = (plane - plane.mean()) / np.sqrt(plane.var() + 1e-3)
        # float32, sums over 60 numbers.
        np.testing.assert_allclose(
            outputs[..., k], gamma[k] * expected + beta[k], rtol=1e-5, atol=1e-5
        )
        moved = [weight[k] for weight in layer.get_weights()[2:]]
        # The unbiased variance: 60 / 59 of the other.
        steps = 0.1 * (plane.mean() - mean[k]), 0.1 * (plane.var(ddof=1) - variance[k])
        np.testing.assert_allclose(
            moved, [mean[k] + steps[0], variance[k] + steps[1]], rtol=1e-5
        )


def test_inference_by_hand_moves_nothing():
    layer = built(BatchNormalization(epsilon=1e-3))
    gamma, beta, mean, variance = before = layer.get_weights()
    outputs = layer(maps(), training=False).numpy()
    expected = gamma * (maps() - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    layer.trainable = False
    np.testing.assert_allclose(layer(maps(), training=True), expected, atol=1e-4)
    np.testing.assert_array_equal(layer.get_weights(), before)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_those_of_keras(training):
    layers = [
        built(kind(epsilon=1e-3))
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    gradients = []
    for layer in layers:
        images = tf.Variable(maps())
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(layer(images, training=training)))
        gradients.append(tape.gradient(loss, [images, *layer.trainable_weights]))
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(
            tf.convert_to_tensor(ours),
            tf.convert_to_tensor(theirs),
            rtol=1e-4,
            atol=1e-4,
        )


def test_a_gradient_of_gradients():
    """Distillation goes through a training step: by finite differences."""
    layer = built(BatchNormalization(), (2, 2, 2, 3))

    def norm_of_gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(tf.sin(layer(images, training=True)))
        return tf.reduce_sum(tf.square(tape.gradient(loss, images)))

    images = tf.constant(maps(shape=(2, 2, 2, 3)))
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = norm_of_gradient(images)
    gradient = tape.gradient(value, images).numpy()
    for place in ((0, 0, 0, 0), (1, 0, 1, 2)):
        step = np.zeros(images.shape, np.float32)
        step[place] = 1e-2
        change = norm_of_gradient(images + step) - norm_of_gradient(images - step)
        # The error of central differences is of the step squared.
        np.testing.assert_allclose(gradient[place], change / 2e-2, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_keeps_its_statistics_in_float32(dtype):
    layer = built(BatchNormalization(dtype=f"mixed_{dtype}"))
    exact = built(BatchNormalization())
    outputs = layer(tf.cast(maps(), dtype), training=True)
    assert outputs.dtype == dtype
    expected = exact(tf.cast(tf.cast(maps(), dtype), tf.float32), training=True)
    # bfloat16 has 8 bits, of outputs up to 6.
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=0.04)
    for ours, theirs in zip(layer.weights, exact.weights, strict=True):
        assert ours.dtype in ("float32", tf.float32)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "shape"),
    [({}, (8, 6)), ({"scale": False}, SHAPE), ({"axis": 1}, SHAPE)],
)
def test_what_is_not_fused_is_keras_s(options, shape):
    ours = built(BatchNormalization(**options), shape)
    theirs = built(keras.layers.BatchNormalization(**options), shape)
    images = maps(shape=shape)
    np.testing.assert_allclose(
        ours(images, training=True), theirs(images, training=True), rtol=1e-5, atol=1e-5
    )


def test_a_model_with_it_is_saved_and_loaded(tmp_path):
    images = keras.Input(SHAPE[1:])
    model = keras.Model(images, BatchNormalization(momentum=0.7)(images))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.layers[-1], BatchNormalization)
    assert again.layers[-1].momentum == 0.7
    np.testing.assert_array_equal(again(maps()), model(maps()))
