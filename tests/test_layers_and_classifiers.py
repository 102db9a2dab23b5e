import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasfer import build_classifier
from kerasfer.layers import (
    ClassCentroids,
    ImageNormalization,
    ImageResizing,
    class_sums,
)

FACES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)


def test_normalizations():
    unit = ImageNormalization("unit")(np.array([[[[0.0], [255.0]]]]))
    np.testing.assert_allclose(np.ravel(unit), [-1, 1], rtol=1e-6)
    imagenet = ImageNormalization("imagenet")(FACES)
    expected = (FACES / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(imagenet, expected, rtol=1e-4, atol=1e-5)
    vgg_face = ImageNormalization("vgg_face")(FACES)
    np.testing.assert_allclose(
        vgg_face, FACES - np.array([129.1863, 104.7624, 93.594]), atol=1e-4
    )
    grey = ImageNormalization("vgg_face")(FACES[..., :1])
    mean = (129.1863 + 104.7624 + 93.594) / 3
    np.testing.assert_allclose(grey, FACES[..., :1] - mean, atol=1e-4)
    planes = ImageNormalization("per_plane")(FACES).numpy()
    np.testing.assert_allclose(planes.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(planes.std((1, 2)), 1, rtol=1e-5)
    blank = ImageNormalization("per_plane")(np.full((1, 4, 4, 1), 9, np.uint8))
    np.testing.assert_array_equal(blank, np.zeros((1, 4, 4, 1)))
    with pytest.raises(
        ValueError, match="imagenet, caffe, vgg_face, dlib, unit, per_plane, none"
    ):
        ImageNormalization("other")


@pytest.mark.parametrize(
    ("backbone", "width", "parameters"),
    # compact by hand in its docstring; WRN-28-2 about 1.47 M without its dense layer.
    [("compact", 192, 0.69e6), ("wide_resnet_28_2", 128, 1.47e6)],
)
def test_backbones(backbone, width, parameters):
    classifier = build_classifier(backbone, (48, 48, 3), 7)
    outputs = classifier(np.zeros((2, 48, 48, 3), np.uint8))
    assert outputs["embedding"].shape == (2, width)
    assert outputs["logits"].shape == outputs["probs"].shape == (2, 7)
    np.testing.assert_allclose(np.sum(outputs["probs"], -1), 1, rtol=1e-5)
    assert classifier.get_layer("feature_map").output.shape[-1] == width
    assert abs(classifier.count_params() / parameters - 1) < 0.02


def test_uint8_and_float_images_are_the_same_to_a_classifier():
    classifier = build_classifier("compact", (32, 32, 3), 3)
    as_float = FACES.astype(np.float32)
    np.testing.assert_allclose(
        classifier(FACES)["logits"], classifier(as_float)["logits"], rtol=1e-6
    )
    # Mixed images are not whole numbers; a uint8 input would cut off the fraction.
    assert (
        (classifier(as_float + 0.5)["logits"] != classifier(FACES)["logits"])
        .numpy()
        .any()
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_outputs_are_float32_under_mixed_precision(policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        classifier = build_classifier("compact", (32, 32, 3), 3)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {v.dtype for v in classifier(FACES).values()} == {tf.float32}


def test_any_keras_model_is_a_backbone_and_is_saved_with_the_classifier(tmp_path):
    backbone = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()]
    )
    classifier = build_classifier(
        backbone, (32, 32, 3), 12, dropout=0.5, activation="sigmoid"
    )
    assert classifier.output["embedding"].shape[-1] == 30 * 30 * 4
    classifier.save(tmp_path / "classifier.keras")
    again = keras.models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(
        again(FACES)["probs"], classifier(FACES)["probs"], rtol=1e-6
    )


def test_the_model_resizes_what_the_backbone_sees(tmp_path):
    """With the weights of a classifier of that size, what it says of resized images."""
    classifier = build_classifier("compact", (32, 32, 3), 3, resize_to=(48, 40))
    assert classifier.get_layer("normalization").output.shape == (None, 48, 40, 3)
    large = build_classifier("compact", (48, 40, 3), 3)
    large.set_weights(classifier.get_weights())
    resized = tf.image.resize(FACES, (48, 40))
    found = classifier(FACES)
    np.testing.assert_allclose(found["probs"], large(resized)["probs"], atol=1e-5)
    # Also by `keras.layers.Resizing`, but that one moves batch statistics.
    for kept, weight in zip(large.get_weights(), classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, kept)
    classifier.save(tmp_path / "classifier.keras")
    again = keras.models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(again(FACES)["probs"], found["probs"], atol=1e-6)
    with pytest.raises(ValueError, match=r"`size` must be \(height, width\)"):
        ImageResizing((0, 40))
    with pytest.raises(ValueError, match="`resize_to` enlarges images"):
        build_classifier("compact", (32, 32, 3), 3, resize_to=(48, 31))


def test_what_cannot_be_built():
    with pytest.raises(
        ValueError, match="Unknown backbone 'resnet'. Expected one of comp"
    ):
        build_classifier("resnet", (32, 32, 3), 3)
    with pytest.raises(ValueError, match="softmax, sigmoid"):
        build_classifier("compact", (32, 32, 3), 3, activation="relu")
    rows = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Reshape((8, 24))])
    with pytest.raises(
        ValueError, match=r"must give \(batch, height, width, channels\)"
    ):
        build_classifier(rows, (8, 8, 3), 3)


def test_centroids_by_hand():
    layer = ClassCentroids(3, 2)
    sums, counts = class_sums(
        tf.constant([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0]]),
        tf.constant([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.0]]),
    )
    layer.set_means(sums, counts)
    np.testing.assert_allclose(layer.centroids, [[2, 0], [0, 4], [0, 0]])
    np.testing.assert_array_equal(layer.known, [1, 1, 0])
    # Class 0 is absent now and keeps its centroid; class 1 moves; class 2 becomes
    # known.
    layer.set_means(tf.constant([[0.0, 0], [3, 3], [1, 1]]), tf.constant([0.0, 3, 1]))
    np.testing.assert_allclose(layer.centroids, [[2, 0], [1, 1], [1, 1]])
    np.testing.assert_array_equal(layer.known, [1, 1, 1])


def test_centroids_move_towards_a_batch_but_not_without_a_first_estimate():
    layer = ClassCentroids(3, 1)
    layer.set_means(tf.constant([[10.0], [20.0], [0.0]]), tf.constant([1.0, 1.0, 0.0]))
    one_hot = tf.constant([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    ((variable, value),) = layer.moved(tf.constant([[0.0], [5.0]]), one_hot, 0.9)
    assert variable is layer.centroids
    # Class 0: .9 * 10 + .1 * 0; class 1 absent; class 2 not known yet.
    np.testing.assert_allclose(value, [[9.0], [20.0], [0.0]])
