"""Small classifiers and faces."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from kerasfer.data import from_arrays


def logits_classifier(num_classes=3):
    """A classifier whose image *is* its logits: every loss can be computed by hand."""
    images = keras.Input((1, 1, num_classes))
    logits = keras.layers.Flatten()(images)
    probs = keras.layers.Activation("softmax")(logits)
    return keras.Model(images, {"embedding": logits, "logits": logits, "probs": probs})


def softmax(logits):
    """Of the last axis, in NumPy."""
    powers = np.exp(np.asarray(logits, float))
    return powers / powers.sum(-1, keepdims=True)


def as_images(logits):
    """Logits (batch, classes) as images for `logits_classifier`."""
    return tf.reshape(tf.constant(logits, tf.float32), [len(logits), 1, 1, -1])


def dense_classifier(num_classes=3, side=4, width=5, dtype=None):
    """A tiny classifier with weights, without batch statistics or dropout."""
    images = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(images)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(width, activation="tanh", dtype=dtype)(x)
    embedding = keras.layers.Activation("linear", dtype="float32")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32")(embedding)
    probs = keras.layers.Activation("softmax", dtype="float32")(logits)
    return keras.Model(
        images, {"embedding": embedding, "logits": logits, "probs": probs}
    )


def map_classifier(num_classes=3, side=4, width=5, dtype=None):
    """As `dense_classifier`, with the layers `feature_map` and `logits`."""
    images = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(images)
    x = keras.layers.Conv2D(width, 2, activation="tanh", dtype=dtype)(x)
    x = keras.layers.Activation("linear", dtype=dtype, name="feature_map")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(width, activation="tanh", dtype=dtype)(x)
    embedding = keras.layers.Activation("linear", dtype="float32")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(embedding)
    probs = keras.layers.Activation("softmax", dtype="float32")(logits)
    return keras.Model(
        images, {"embedding": embedding, "logits": logits, "probs": probs}
    )


def au_classifier(num_aus=4, side=4, width=5, dtype=None):
    """As `map_classifier`, with action units that do not exclude each other."""
    base = map_classifier(num_aus, side, width, dtype)
    probs = keras.layers.Activation("sigmoid", dtype="float32")(base.output["logits"])
    return keras.Model(base.input, {**base.output, "probs": probs})


def faces_with_action_units(num_images, num_aus=4, side=8, seed=0):
    """Noise with annotations: unit m is visible as a brighter row m, one in eight of
    them is not annotated, and no face has an expression."""
    faces = random_faces(num_images, side=side, seed=seed)
    rng = np.random.default_rng(seed)
    units = rng.random((num_images, num_aus)).astype(np.float32)
    images = faces.images.copy()
    images[:, :num_aus] = np.maximum(images[:, :num_aus], 240 * units[..., None, None])
    units[rng.random(units.shape) < 1 / 8] = -1
    return dataclasses.replace(
        faces,
        images=images,
        class_names=(),
        action_units=units,
        au_names=("AU1", "AU4", "AU6", "AU12")[:num_aus],
    )


def random_faces(num_images, num_classes=3, side=8, seed=0, **columns):
    """Noise with labels 0, 1, 2, 0, ...; the class is visible as a brighter row."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 120, (num_images, side, side, 3), dtype=np.uint8)
    labels = np.arange(num_images) % num_classes
    images[np.arange(num_images), labels] += 120
    return from_arrays(images, labels, **columns)
