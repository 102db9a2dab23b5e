"""A backbone of three layers, for runs of recipes whose network does not matter."""

import keras


def tiny(input_shape):
    images = keras.Input(input_shape)
    x = keras.layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(images)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.Model(images, keras.layers.ReLU()(x), name="tiny")
