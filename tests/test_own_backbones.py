"""Backbones of a user's own: classes, Lambda layers, and what cannot be copied."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import random_faces

from kerasfer import build_classifier
from kerasfer.data import training_dataset
from kerasfer.schemes import FixMatch
from kerasfer.training.copies import copy_of

FACES = random_faces(12, side=8)
SHAPE = (8, 8, 3)


@keras.saving.register_keras_serializable("tests")
class Own(keras.Model):
    """With a `get_config`, as Keras asks for."""

    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.convolution = keras.layers.Conv2D(width, 3, activation="relu")
        self.statistics = keras.layers.BatchNormalization()

    def call(self, images, training=False):
        return self.statistics(self.convolution(images), training=training)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class Closed(Own):
    """Whose configuration is not there."""

    def get_config(self):
        raise NotImplementedError("no config")


class Forgetful(Own):
    """Whose configuration leaves an argument out."""

    def get_config(self):
        return {"name": self.name}


def with_lambda():
    images = keras.Input(SHAPE)
    x = keras.layers.Lambda(lambda x: tf.reverse(x, [2]), output_shape=SHAPE)(images)
    return keras.Model(images, keras.layers.Conv2D(4, 3)(x))


def around_an_own_model():
    images = keras.Input(SHAPE)
    return keras.Model(images, keras.layers.ReLU()(Own(5)(images)))


def sequential():
    return keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.ReLU()])


WORKING = [Own, with_lambda, around_an_own_model, sequential]


@pytest.mark.parametrize("backbone", WORKING)
def test_a_copy_has_the_same_answers_and_weights_of_its_own(backbone):
    classifier = build_classifier(backbone(), SHAPE, 3)
    copy = copy_of(classifier)
    images = FACES.images.astype("float32")
    before = classifier.predict(images, verbose=0)["probs"]
    np.testing.assert_array_equal(copy.predict(images, verbose=0)["probs"], before)
    copy.set_weights([value + 1 for value in copy.get_weights()])
    np.testing.assert_array_equal(
        classifier.predict(images, verbose=0)["probs"], before
    )


@pytest.mark.parametrize("backbone", WORKING)
def test_a_scheme_trains_and_averages_it(backbone):
    model = FixMatch(build_classifier(backbone(), SHAPE, 3), ema_decay=0.5)
    start = model.ema_classifier.get_weights()
    model.compile(keras.optimizers.SGD(0.1))
    dataset = training_dataset(FACES, FACES, model.all_views, batch_size=4)
    model.fit(dataset, epochs=1, steps_per_epoch=2, verbose=0)
    pairs = zip(start, model.ema_classifier.get_weights(), strict=True)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in pairs)


@pytest.mark.parametrize(
    ("backbone", "error"),
    [
        (Closed, "cannot copy 'closed.*' \\(Closed\\).*`get_config`.*no config"),
        (lambda: Forgetful(7), "Keras cannot copy .*all arguments of its constructor"),
    ],
    ids=["no config", "a config that forgets"],
)
def test_what_keras_cannot_copy_is_said_where_it_is_given(backbone, error):
    with pytest.raises(ValueError, match=error):
        build_classifier(backbone(), SHAPE, 3)


@pytest.mark.parametrize(
    "options", [{"weight_penalty": "l2"}, {"synchronized_batch_norm": True}]
)
def test_settings_of_hidden_layers_are_not_dropped_in_silence(options):
    with pytest.raises(ValueError, match="hidden in its class Own"):
        build_classifier(Own(), SHAPE, 3, **options)
    build_classifier(sequential(), SHAPE, 3, **options)
