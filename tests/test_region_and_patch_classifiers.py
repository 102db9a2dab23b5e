"""Classifiers with attention: RAN's regions, gACNN's gated patches."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import random_faces, softmax

import kerasfer
from kerasfer.deploy.export import Description
from kerasfer.deploy.export.formats import write
from kerasfer.layers import PatchGates, RegionAttention, Regions
from kerasfer.layers.regions import FIXED_REGIONS
from kerasfer.losses import cross_entropy, region_biased, region_biased_loss

RNG = np.random.default_rng(0)


def sigmoid(values):
    return 1 / (1 + np.exp(-np.asarray(values, float)))


# --- regions --------------------------------------------------------------------------


def test_crops_have_the_corners_that_their_boxes_say():
    """On a ramp, whose colours are y and x, a crop's middle is its box's."""
    ramp = np.moveaxis(np.mgrid[:40, :40], 0, -1).astype(np.float32)[None]
    crops = np.asarray(Regions()(ramp))
    assert crops.shape == (6, 40, 40, 2)
    np.testing.assert_array_equal(crops[0], ramp[0])  # the whole face
    for crop, (left, top, right, bottom) in zip(crops, FIXED_REGIONS, strict=True):
        middle = [20 * (top + bottom) - 0.5, 20 * (left + right) - 0.5]
        np.testing.assert_allclose(crop.mean((0, 1)), middle, atol=0.1)
        rows, columns = np.ptp(crop, (0, 1))  # a resized crop ends half a pixel in
        np.testing.assert_allclose(rows, 40 * (bottom - top) - 1, atol=0.5)
        np.testing.assert_allclose(columns, 40 * (right - left) - 1, atol=0.5)


def test_the_regions_of_an_image_lie_one_after_the_other():
    images = np.stack([np.full((4, 4, 1), k, np.float32) for k in range(3)])
    crops = np.asarray(Regions([(0, 0, 1, 1), (0, 0, 0.5, 1)])(images))
    assert crops[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("box", [(0, 0, 0, 1), (0.5, 0, 0.2, 1), (0, 0, 1, 1.1)])
def test_a_box_that_is_none(box):
    with pytest.raises(ValueError, match="left < right and top < bottom"):
        Regions([box])


def by_loops(features, own, relation, normalized):
    """RAN's equations, for one face: features (regions, width)."""

    def weights(values, kernel, bias):
        gates = [sigmoid(np.dot(v, kernel) + bias) for v in values]
        return softmax(gates) if normalized else np.array(gates)

    mu = weights(features, *own)
    mean = sum(m * f for m, f in zip(mu, features, strict=True)) / sum(mu)
    pairs = [np.concatenate([f, mean]) for f in features]
    both = mu * weights(pairs, *relation)
    return sum(b * p for b, p in zip(both, pairs, strict=True)) / sum(both), mu


@pytest.mark.parametrize("normalized", [True, False])
def test_attention_by_loops(normalized):
    features = RNG.normal(size=(2 * 4, 3)).astype(np.float32)
    layer = RegionAttention(4, normalized)
    layer(features)
    own, relation = RNG.normal(size=3), RNG.normal(size=6)
    layer.own.set_weights([own[:, None], np.array([0.3])])
    layer.relation.set_weights([relation[:, None], np.array([-0.2])])
    pooled, attention = layer(features)
    for face in range(2):
        some = features[4 * face : 4 * face + 4]
        expected = by_loops(some, (own, 0.3), (relation, -0.2), normalized)
        np.testing.assert_allclose(pooled[face], expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(attention[face], expected[1], rtol=1e-5)
    assert not normalized or np.allclose(np.sum(attention, 1), 1)


def test_equal_regions_and_any_order_of_crops():
    layer = RegionAttention(3)
    same = np.tile(RNG.normal(size=(1, 5)), (3, 1)).astype(np.float32)
    pooled, _ = layer(same)
    np.testing.assert_allclose(pooled[0], np.tile(same[0], 2), rtol=1e-5)
    features = RNG.normal(size=(3, 5)).astype(np.float32)
    pooled, attention = layer(features)
    again, permuted = layer(features[[0, 2, 1]])
    np.testing.assert_allclose(pooled, again, rtol=1e-5)
    moved = np.asarray(attention)[0, [0, 2, 1]]
    np.testing.assert_allclose(moved, permuted[0], rtol=1e-5)


def test_the_region_biased_loss_by_hand():
    # The largest crop leads by 0.3, by 0.05, by -0.1.
    attention = [[0.2, 0.5, 0.3], [0.3, 0.35, 0.3], [0.5, 0.4, 0.1]]
    np.testing.assert_allclose(region_biased_loss(attention), [0, 0.05, 0.2], atol=1e-6)
    equal = tf.fill((1, 6), 1 / 6)
    np.testing.assert_allclose(region_biased_loss(equal, 0.02), [0.02])
    outputs = {"logits": tf.zeros((1, 4)), "attention": equal}
    labels = tf.constant([2])
    expected = cross_entropy(labels, outputs) + 0.5 * 0.1
    np.testing.assert_allclose(region_biased(labels, outputs, 0.5), expected)
    with pytest.raises(ValueError, match="build_region_classifier"):
        region_biased(labels, {"logits": tf.zeros((1, 4))})


def test_the_bias_moves_attention_from_the_whole_face_to_the_best_crop():
    attention = tf.Variable([[0.3, 0.3, 0.1]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(region_biased_loss(attention))
    np.testing.assert_array_equal(tape.gradient(loss, attention), [[1, -1, 0]])


# --- patches --------------------------------------------------------------------------


def test_patches_by_loops():
    maps = RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)
    layer = PatchGates([(0.25, 0.5), (1.0, 0.0)], size=0.25, width=4)
    features, gates = layer(maps)
    kernel, bias, gate_kernel, gate_bias, gate, offset = layer.get_weights()
    # Two cells a side: centred on 2, 4; moved into the corner.
    corners = [(3, 1), (0, 6)]
    for face in range(2):
        for k, (y, x) in enumerate(corners):
            patch = maps[face, y : y + 2, x : x + 2]
            psi = np.maximum(patch.reshape(-1) @ kernel[k] + bias[k], 0)
            hidden = np.maximum(patch.mean((0, 1)) @ gate_kernel[k] + gate_bias[k], 0)
            alpha = sigmoid(hidden @ gate[k] + offset[k])
            found = features[face, 4 * k : 4 * k + 4]
            np.testing.assert_allclose(found, alpha * psi, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(gates[face, k], alpha[0], rtol=1e-4)


def test_a_patch_changes_its_own_features_only():
    maps = RNG.normal(size=(1, 8, 8, 3)).astype(np.float32)
    layer = PatchGates([(0.2, 0.2), (0.8, 0.8)], size=0.25, width=4)
    before, _ = layer(maps)
    maps[:, 5:] = 0
    after, _ = layer(maps)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 0


def test_points_that_are_none():
    with pytest.raises(ValueError, match=r"points \(x, y\) in \[0, 1\]"):
        PatchGates([(0.2, 1.2)])
    with pytest.raises(ValueError, match="size in"):
        PatchGates(size=0)
    with pytest.raises(ValueError, match="Patches are of a map"):
        kerasfer.build_patch_classifier("base_dcnn", (16, 16, 3), 3)


def test_without_the_whole_face_there_is_a_gate_less():
    build = kerasfer.build_patch_classifier
    image = np.zeros((1, 16, 16, 3), np.uint8)
    assert build("compact", (16, 16, 3), 3)(image)["gates"].shape == (1, 25)
    local = build("compact", (16, 16, 3), 3, whole_face=False)
    assert local(image)["gates"].shape == (1, 24)


def test_schemes_with_heads_of_their_own_refuse_patches():
    """They would rebuild pooling and head from the map, without the patches."""
    classifier = kerasfer.build_patch_classifier("compact", (16, 16, 3), 3)
    for build in (
        kerasfer.schemes.RUL,
        lambda c: kerasfer.schemes.MEK(c, [1, 1, 1]),
        lambda c: kerasfer.schemes.CPE(c, [1, 1, 1]),
    ):
        with pytest.raises(ValueError, match="--head pooled"):
            build(classifier)


def test_the_region_biased_loss_is_for_regions():
    classifier = kerasfer.build_patch_classifier("compact", (16, 16, 3), 3)
    outputs = classifier(np.zeros((2, 16, 16, 3), np.uint8))
    with pytest.raises(ValueError, match="--head regions"):
        region_biased(tf.constant([0, 1]), outputs)


@pytest.mark.parametrize(
    "regions", [[(0, 0, 1, 1)], [(0, 0, 0.5, 1), (0, 0, 1, 1)], []]
)
def test_the_whole_face_comes_first(regions):
    with pytest.raises(ValueError, match="must begin with the whole face"):
        kerasfer.build_region_classifier("compact", (16, 16, 3), 3, regions=regions)


def test_a_region_of_no_pixel():
    with pytest.raises(ValueError, match="has no pixel of images of 8 x 8"):
        Regions([(0, 0, 0.01, 1)])(np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(ValueError, match="at least one region"):
        Regions([])


# --- both, as classifiers -------------------------------------------------------------

BUILDERS = [kerasfer.build_region_classifier, kerasfer.build_patch_classifier]


@pytest.mark.parametrize("build", BUILDERS)
def test_they_train_in_a_scheme_and_are_saved(build, tmp_path):
    faces = random_faces(12, side=16)
    loss = "region_biased" if build is BUILDERS[0] else "cross_entropy"
    model = kerasfer.schemes.FixMatch(
        build("compact", (16, 16, 3), 3), threshold=0.3, supervised_loss=loss
    )
    model.compile(keras.optimizers.Adam(1e-3))
    data = kerasfer.data.training_dataset(
        faces, faces, views=model.all_views, batch_size=4
    )
    logs = model.fit(data, epochs=1, steps_per_epoch=2, verbose=0).history
    assert np.isfinite(logs["loss"][0])
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    images = faces.images[:2].astype(np.float32)
    expected = model.inference_classifier(images)
    for name, value in loaded(images).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", BUILDERS)
def test_a_weight_penalty_is_of_all_kernels(build):
    """1/2 for each squared number, of the backbone, the head and the last layer."""
    classifier = build(
        "compact", (16, 16, 3), 3, weight_penalty=keras.regularizers.L2(0.5)
    )
    variables = classifier.trainable_weights
    kernels = [w for w in variables if _is_kernel(w.name, len(w.shape))]
    expected = sum(0.5 * np.sum(np.square(w.numpy())) for w in kernels)
    np.testing.assert_allclose(sum(map(float, classifier.losses)), expected, rtol=1e-4)


def _is_kernel(name, rank):
    name = name.split("/")[-1].split(":")[0]
    return name in ("kernel", "gate_kernel", "gate") and rank > 1


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("form", ["onnx", "litert", "saved_model", "keras"])
def test_they_are_exported(build, form, tmp_path):
    if form == "onnx":
        pytest.importorskip("tf2onnx")
    faces = random_faces(8, side=16)
    classifier = build("compact", (16, 16, 3), 3)
    names = ("anger", "fear", "neutral")
    path = write(
        form, classifier, Description("expressions", names, (16, 16, 3)), tmp_path
    )
    found = kerasfer.load(path)(list(faces.images)).probs
    np.testing.assert_allclose(found, classifier(faces.images)["probs"], atol=1e-4)


@pytest.mark.parametrize("build", BUILDERS)
def test_gradients_reach_the_attention(build):
    classifier = build("compact", (16, 16, 3), 3)
    faces = random_faces(6, side=16)
    with tf.GradientTape() as tape:
        outputs = classifier(faces.images, training=True)
        labels = tf.constant(faces.labels, tf.int32)
        loss = tf.reduce_mean(cross_entropy(labels, outputs))
    variables = classifier.trainable_variables
    gradients = tape.gradient(loss, variables)
    assert all(g is not None for g in gradients)
    dead = [
        v.name
        for v, g in zip(variables, gradients, strict=True)
        if not np.any(tf.convert_to_tensor(g))
    ]
    # A softmax over regions does not see what all of them have in common.
    assert all("bias" in name for name in dead), dead
