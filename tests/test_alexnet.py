"""AlexNet, weight penalties, and a network for each action unit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import faces_with_action_units

from kerasfer import build_classifier, build_separate_classifiers
from kerasfer.backbones import alexnet, compact
from kerasfer.data import training_dataset
from kerasfer.losses import action_unit_error
from kerasfer.schemes import Supervised


def test_alexnet_has_the_paper_s_size():
    network = alexnet((227, 227, 3))
    # Convolutions, then 256 x 6 x 6 inputs and 4,096 to 4,096, all with biases.
    convolutions = [(3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3)]
    convolutions += [(256, 256, 3)]
    expected = sum((a * n * n + 1) * b for a, b, n in convolutions)
    expected += (256 * 6 * 6 + 1) * 4096 + (4096 + 1) * 4096
    assert network.count_params() == expected
    assert network.output_shape == (None, 4096)


def test_an_embedding_of_two_numbers_may_be_negative():
    network = alexnet((63, 63, 3), width=2, dropout=0.0, embedding_activation=None)
    points = network(np.random.default_rng(0).normal(size=(40, 63, 63, 3)))
    assert points.shape == (40, 2) and (np.min(points, 0) < 0).any()
    assert not [x for x in network.layers if isinstance(x, keras.layers.Dropout)]


def test_alexnet_refuses_images_of_which_nothing_is_left():
    with pytest.raises(ValueError, match="63 pixels .* Received: .*48, 48, 3"):
        build_classifier("alexnet", (48, 48, 3), 7)


def kernels(model):
    return [w for w in model.trainable_variables if "kernel" in w.name]


@pytest.mark.parametrize(
    ("penalty", "of"),
    [
        (keras.regularizers.L1(0.1), lambda w: 0.1 * np.abs(w).sum()),
        (keras.regularizers.L2(0.1), lambda w: 0.1 * np.square(w).sum()),
    ],
)
def test_a_weight_penalty_is_on_every_kernel_and_nothing_else(penalty, of):
    backbone = compact((16, 16, 3))
    classifier = build_classifier(backbone, (16, 16, 3), 4, weight_penalty=penalty)
    penalized = classifier.get_layer("compact")
    for ours, theirs in zip(penalized.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert not backbone.losses
    expected = sum(of(w.numpy()) for w in kernels(classifier))
    np.testing.assert_allclose(tf.add_n(classifier.losses), expected, rtol=1e-5)


def test_the_penalty_is_part_of_a_scheme_s_loss():
    faces = faces_with_action_units(8, side=16)
    classifier = build_classifier(
        "compact", (16, 16, 3), 4, activation="sigmoid", weight_penalty="l2"
    )
    penalty = float(tf.add_n(classifier.losses))
    model = Supervised(classifier, supervised_loss=action_unit_error)
    model.compile("sgd")
    logs = model.train_step(next(iter(training_dataset(faces, batch_size=4))))
    np.testing.assert_allclose(float(logs["penalty_loss"]), penalty, rtol=1e-5)


def trained(classifier, faces, units, rate):
    """Weights after two steps on some of the units."""
    model = Supervised(classifier, supervised_loss=action_unit_error, ema_decay=0.0)
    model.compile(keras.optimizers.SGD(rate))
    for batch, targets in training_dataset(faces, batch_size=4).take(2):
        model.train_step((batch, tf.gather(targets, units, axis=1)))
    return [w.numpy() for w in classifier.weights]


def test_separate_networks_are_trained_as_if_apart():
    faces = faces_with_action_units(8, num_aus=2, side=16)
    faces.action_units[faces.action_units < 0] = 0.5  # all annotated
    both = build_separate_classifiers("compact", (16, 16, 3), 2)
    parts = [both.get_layer(f"classifier_{m}") for m in range(2)]
    starts = [part.get_weights() for part in parts]
    # The mean over two units halves the gradient of each.
    trained(both, faces, [0, 1], rate=0.1)
    for m, (part, start) in enumerate(zip(parts, starts, strict=True)):
        alone = build_classifier("compact", (16, 16, 3), 1, activation="sigmoid")
        alone.set_weights(start)
        expected = trained(alone, faces, [m], rate=0.05)
        for ours, theirs in zip(part.get_weights(), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
