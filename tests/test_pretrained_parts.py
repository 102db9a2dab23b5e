"""Backbones by name, frozen layers, and rates by depth."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import dense_classifier, random_faces

from kerasfer import build_classifier
from kerasfer.backbones import (
    BACKBONES,
    backbone_by_name,
    freeze,
)
from kerasfer.data import training_dataset
from kerasfer.experiments.network import NAMES, Network
from kerasfer.experiments.network import build_classifier as of_flags
from kerasfer.layers import ImageNormalization
from kerasfer.schemes import Supervised
from kerasfer.training.layer_rates import LayerRates

PIXELS = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype("float32")


def test_the_flag_has_the_names_of_the_registry():
    assert {*NAMES} == {*BACKBONES}


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_takes_its_least_side_and_normalisation(name):
    backbone = BACKBONES[name]
    side = backbone.least_side
    classifier = build_classifier(
        name, (side, side, 3), 2, normalization=backbone.normalization
    )
    faces = np.zeros((1, side, side, 3), np.uint8)
    assert np.isfinite(classifier(faces)["probs"]).all()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("ResNet50", "resnet"),
        ("ResNet50V2", "resnet_v2"),
        ("ResNet152V2", "resnet_v2"),
        ("VGG16", "vgg16"),
        ("MobileNet", "mobilenet"),
        ("MobileNetV2", "mobilenet_v2"),
        ("MobileNetV3Small", "mobilenet_v3"),
        ("DenseNet121", "densenet"),
        ("EfficientNetB0", "efficientnet"),
        ("EfficientNetV2S", "efficientnet_v2"),
        ("ConvNeXtTiny", "convnext"),
        ("InceptionV3", "inception_v3"),
        ("InceptionResNetV2", "inception_resnet_v2"),
        ("Xception", "xception"),
        ("NASNetMobile", "nasnet"),
    ],
)
def test_pixels_are_those_of_keras_own_preprocessing(name, module):
    expected = getattr(keras.applications, module).preprocess_input(PIXELS.copy())
    kind = backbone_by_name(f"keras:{name}").normalization
    np.testing.assert_allclose(ImageNormalization(kind)(PIXELS), expected, atol=1e-4)


def test_every_network_of_keras_has_a_normalisation():
    networks = [
        name
        for name, value in vars(keras.applications).items()
        if callable(value) and name[0].isupper()
    ]
    assert len(networks) > 30
    for name in networks:
        assert backbone_by_name(f"keras:{name}").weights == "keras"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0"])
def test_a_network_of_keras_trains_by_its_name(name):
    network = Network(backbone=f"keras:{name}", first_layer_rate=0.5)
    classifier = of_flags(network, (32, 32, 3), 3)
    model = Supervised(classifier, first_layer_rate=network.first_layer_rate)
    model.compile("sgd")
    data = training_dataset(random_faces(8, side=32), batch_size=4)
    history = model.fit(data, steps_per_epoch=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ({"backbone": "resnet"}, "--backbone: expected one of compact, .* keras:NAME"),
        ({"backbone": "alexnet", "backbone_weights": "x.pth"}, "--backbone-weights"),
        ({"backbone": "dlib_resnet", "normalization": "unit"}, "needs --normalization"),
        ({"first_layer_rate": 0.0}, "--first-layer-rate: expected"),
        ({"resize_to": 8}, "--resize-to: expected"),
        ({"resize_to": 32, "head": "regions"}, "--resize-to needs --head pooled"),
    ],
)
def test_flags_that_cannot_be(flags, error):
    with pytest.raises(ValueError, match=error):
        Network(**flags)


def test_the_backbone_is_built_for_what_it_sees():
    """AlexNet needs 63 pixels."""
    classifier = of_flags(Network(backbone="alexnet", resize_to=63), (32, 32, 3), 3)
    assert classifier.input_shape == (None, 32, 32, 3)
    with pytest.raises(ValueError, match="needs --image-size 63 at least, or --resize"):
        of_flags(Network(backbone="alexnet"), (32, 32, 3), 3)


def test_an_unknown_network_of_keras():
    with pytest.raises(ValueError, match="Unknown backbone 'keras:ResNet19'"):
        backbone_by_name("keras:ResNet19")


def test_none_is_the_normalisation_that_the_backbone_expects():
    assert Network().pixels == "per_plane"
    assert Network(backbone="resnet18").pixels == "per_plane"  # from scratch
    pretrained = Network(backbone="resnet18", backbone_weights="resnet18.pth")
    assert pretrained.pixels == "imagenet"
    assert Network(backbone="dlib_resnet").pixels == "dlib"
    assert Network(backbone="keras:VGG16").pixels == "per_plane"
    assert (
        Network(backbone="keras:VGG16", backbone_weights="imagenet").pixels == "caffe"
    )
    assert Network(backbone="keras:EfficientNetB0").pixels == "none"  # scales inside
    assert Network(backbone="mine.py:net").pixels == "per_plane"
    assert Network(backbone="resnet18", normalization="unit").pixels == "unit"


# --- frozen layers --------------------------------------------------------------------


def path_of(weight):
    """With the name of its layer, which Keras 2.15 has in `name`."""
    return getattr(weight, "path", weight.name)


def trained(classifier, **options):
    model = Supervised(classifier, ema_decay=0, **options)
    model.compile(keras.optimizers.SGD(0.1))
    data = training_dataset(random_faces(8, side=16), batch_size=4)
    model.fit(data, steps_per_epoch=2, verbose=0)
    return model


def test_frozen_layers_stay_and_others_move():
    network = Network(freeze=("conv2d*", "batch_normalization*"))
    classifier = of_flags(network, (16, 16, 3), 3)
    before = {path_of(w): w.numpy() for w in classifier.weights}
    trained(classifier)
    for weight in classifier.weights:
        path = path_of(weight)
        same = np.array_equal(before[path], weight.numpy())
        assert same == ("logits" not in path), path


def test_a_pattern_that_matches_nothing_names_the_layers():
    backbone = BACKBONES["compact"]((16, 16, 3))
    with pytest.raises(ValueError, match="matches 'block1.*Its layers .* conv2d"):
        freeze(backbone, ["block1*"])


# --- rates by depth -------------------------------------------------------------------


def test_rates_fall_geometrically_from_the_last_layer_to_the_first():
    model = keras.Sequential(
        [keras.Input((2,)), *[keras.layers.Dense(2, name=f"d{k}") for k in range(4)]]
    )
    rates = {
        path_of(variable).split("/")[-2]: rate
        for variable, rate in LayerRates(model, 0.125).scaled
    }
    # 0.125 ^ (1 - l / 3) for l = 0, 1, 2; the last layer keeps the rate.
    assert rates == pytest.approx({"d0": 0.125, "d1": 0.25, "d2": 0.5})
    assert LayerRates(model, 1.0).scaled == []


@pytest.mark.parametrize(
    "optimizer",
    [lambda: keras.optimizers.SGD(0.1, 0.9), lambda: keras.optimizers.Adam(0.1)],
)
def test_a_scaled_step_is_a_smaller_rate(optimizer):
    """The first layer's move after two steps is that of an optimiser with r times the
    rate, as long as what it is given is the same: a linear loss."""
    moves = []
    for rate, scale in ((1.0, 0.25), (0.25, 1.0)):
        given = optimizer()
        given.learning_rate = 0.1 * rate
        layer = keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(1, kernel_initializer="ones", use_bias=False),
            ]
        )
        kernel = layer.trainable_variables[0]
        rates = LayerRates(layer, 1.0)
        rates.scaled = [(kernel, scale)] if scale < 1 else []
        for gradient in ([[1.0], [-2.0]], [[3.0], [0.5]]):
            before = rates.before()
            given.apply_gradients([(tf.constant(gradient), kernel)])
            rates.scale_steps(before)
        moves.append(kernel.numpy() - 1)
    np.testing.assert_allclose(moves[0], moves[1], rtol=1e-5)


def test_a_scheme_scales_its_steps():
    faces = random_faces(4, side=4)
    moved = []
    for rate in (1.0, 0.25):
        keras.utils.set_random_seed(0)
        classifier = dense_classifier()
        before = [weight.numpy() for weight in classifier.trainable_variables]
        model = Supervised(classifier, ema_decay=0, first_layer_rate=rate)
        model.compile(keras.optimizers.SGD(0.1))
        model.fit(
            training_dataset(faces, batch_size=4, pad=0), steps_per_epoch=1, verbose=0
        )
        after = [weight.numpy() for weight in classifier.trainable_variables]
        moved.append([b - a for a, b in zip(before, after, strict=True)])
    for place, ratio in enumerate(
        (0.25, 0.25, 1.0, 1.0)
    ):  # kernel and bias, two layers
        np.testing.assert_allclose(
            moved[1][place], ratio * moved[0][place], rtol=1e-4, atol=1e-7
        )


def test_rates_by_depth_are_for_one_device_and_in_their_range():
    with pytest.raises(ValueError, match=r"`first_layer_rate` must be in \(0, 1\]"):
        LayerRates(dense_classifier(), 1.5)
    with pytest.raises(ValueError, match="on one device only, and there are 2"):
        LayerRates(dense_classifier(), 0.5).check(2)
