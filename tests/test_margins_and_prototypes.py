import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import softmax

from kerasfer import build_classifier
from kerasfer.layers import ConfidenceMargin, PrototypeHead, UnitLength
from kerasfer.losses import large_margin_loss


def test_margins_are_the_equation():
    margin = ConfidenceMargin(3, floor=0.0)
    np.testing.assert_allclose(margin.margins, [0.8] * 3, rtol=1e-6)
    # .97 / (1 + e^-t)
    for factor in [0.7091, 0.8544, 0.9240, 0.9526, 0.9635, 0.9676]:
        margin.measure([0.9 * 4, 1.0, 0.0], [4.0, 1.0, 0.0])
        # Class 2 was never right: it keeps the threshold it has.
        expected = [0.9 * factor, factor, 0.8]
        np.testing.assert_allclose(margin.margins, expected, atol=5e-5)
    assert float(margin.measured) == 6


def test_margins_do_not_fall_below_the_floor():
    margin = ConfidenceMargin(3, initial=0.5)
    margin.measure([1.0, 0.9, 0.0], [1.0, 1.0, 0.0])  # .709 and less
    np.testing.assert_allclose(margin.margins, [0.8, 0.8, 0.8], rtol=1e-6)
    margin.measure([1.0, 0.9, 0.0], [1.0, 1.0, 0.0])  # .8544, .769
    np.testing.assert_allclose(margin.margins, [0.85438, 0.8, 0.8], rtol=1e-5)


@pytest.mark.parametrize("growth", [1.5, 2.0, 3.0])
def test_growth_and_scale(growth):
    margin = ConfidenceMargin(1, floor=0.0, scale=0.9, growth=growth)
    margin.measure([3.0], [3.0])
    margin.measure([3.0], [3.0])
    np.testing.assert_allclose(margin.margins, [0.9 / (1 + growth**-2)], rtol=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"floor": 1.5}, {"scale": 0.0}, {"growth": 1.0}, {"initial": -0.1}]
)
def test_margins_refuse(wrong):
    with pytest.raises(ValueError, match="growth > 1. Received: "):
        ConfidenceMargin(3, **wrong)


F = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
Z = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]], np.float32)
H = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, -1.0]], np.float32)


def mixed(**options):
    head = PrototypeHead(3, **options)
    head.build([(None, 2), (None, 3)])
    head.prototypes.assign(H)
    return {k: np.asarray(v) for k, v in head([F, Z]).items()}


def test_mixture_of_logits_with_dot_products():
    dot = np.array([[3.0, 8.0, -7.0], [0, 0, 0]])  # f . h
    outputs = mixed(beta=0.3)
    np.testing.assert_allclose(outputs["probs"], softmax(0.3 * Z + 0.7 * dot), 1e-5)
    np.testing.assert_allclose(outputs["linear_probs"], softmax(Z), rtol=1e-5)
    np.testing.assert_allclose(outputs["feature_probs"], softmax(dot), rtol=1e-5)


def test_mixture_of_logits_with_cosines():
    # f/|f| = (.6, .8); h/|h| = (1,0), (0,1), (-.7071,-.7071); a zero f has cosine 0.
    cosines = np.array([[0.6, 0.8, -1.4 / np.sqrt(2)], [0, 0, 0]])
    outputs = mixed(beta=0.5, similarity="cosine")
    expected = softmax(0.5 * Z + 0.5 * cosines)
    np.testing.assert_allclose(outputs["probs"], expected, rtol=1e-5)


def test_mixture_of_probabilities():
    dot = np.array([[3.0, 8.0, -7.0], [0, 0, 0]])
    outputs = mixed(beta=0.25, mixture="probs")
    expected = 0.25 * softmax(Z) + 0.75 * softmax(dot)
    np.testing.assert_allclose(outputs["probs"], expected, rtol=1e-5)
    assert "scores" not in outputs


def test_mixture_of_probabilities_and_cosines_is_a_score():
    """Eq. 6 as printed: the raw cosine beside a probability."""
    cosines = np.array([[0.6, 0.8, -1.4 / np.sqrt(2)], [0, 0, 0]])
    outputs = mixed(beta=0.25, similarity="cosine", mixture="probs")
    scores = 0.25 * softmax(Z) + 0.75 * cosines
    np.testing.assert_allclose(outputs["scores"], scores, rtol=1e-5)
    np.testing.assert_allclose(outputs["feature_probs"], softmax(cosines), rtol=1e-5)
    positive = np.maximum(scores, 0)
    expected = positive / positive.sum(-1, keepdims=True)
    np.testing.assert_allclose(outputs["probs"], expected, rtol=1e-5)
    assert (positive == 0).any()
    head = PrototypeHead(3, 0.0, "cosine", "probs")
    head([F, Z])
    head.set_prototypes([[-1.0, 0.0], [-2.0, -1.0], [-1.0, -1.0]])
    outputs = head([F, Z])  # no score is positive
    np.testing.assert_allclose(outputs["probs"], softmax(outputs["scores"]), rtol=1e-5)


def test_distance_prefers_the_nearest_prototype():
    # f . h less 1/2, 2 and 1: the squared lengths of H are 1, 4 and 2.
    outputs = mixed(beta=0.0, similarity="distance")
    distances = ((F[:, None] - H[None]) ** 2).sum(-1)
    shared = (F**2).sum(-1, keepdims=True)
    np.testing.assert_allclose(
        outputs["probs"], softmax((shared - distances) / 2), rtol=1e-5
    )


def test_beta_1_is_linear_and_0_is_the_feature_classifier():
    for options in ({}, {"mixture": "probs"}, {"similarity": "cosine"}):
        outputs = mixed(beta=1.0, **options)
        np.testing.assert_allclose(outputs["probs"], softmax(Z), rtol=1e-5)
    outputs = mixed(beta=0.0)
    np.testing.assert_allclose(outputs["probs"], outputs["feature_probs"], rtol=1e-6)


def test_prototypes_take_part_when_they_are_set():
    head = PrototypeHead(3, ready=False)
    np.testing.assert_allclose(head([F, Z])["probs"], softmax(Z), rtol=1e-5)
    head.set_prototypes(H)
    np.testing.assert_allclose(head([F, Z])["probs"], mixed()["probs"], rtol=1e-5)


def test_no_gradient_flows_through_the_similarity():
    head = PrototypeHead(3)
    f, z = tf.Variable(F), tf.Variable(Z)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head([f, z])["probs"][:, 0])
    of_f, of_z, of_h = tape.gradient(loss, [f, z, head.prototypes])
    assert of_f is None and of_h is None and np.abs(of_z).max() > 0


def test_prototype_head_is_saved_with_its_model(tmp_path):
    f, z = keras.Input((2,)), keras.Input((3,))
    head = PrototypeHead(3, 0.3, "cosine", "probs", name="prototype_head")
    model = keras.Model([f, z], head([f, z]))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again([F, Z])["probs"], model([F, Z])["probs"], 1e-6)
    assert again.get_layer("prototype_head").get_config() == head.get_config()


@pytest.mark.parametrize(
    "wrong", [{"beta": 1.5}, {"similarity": "l2"}, {"mixture": "ranks"}]
)
def test_prototype_head_refuses(wrong):
    with pytest.raises(ValueError, match="similarity in .*'distance'.*, mixture"):
        PrototypeHead(3, **wrong)


def test_unit_length():
    variable = tf.Variable([[3.0, 4.0], [0.0, 0.0]])
    with tf.GradientTape() as tape:
        scaled = UnitLength()(variable)
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert np.isfinite(tape.gradient(scaled, variable).numpy()).all()


def test_unit_embedding_of_a_classifier():
    classifier = build_classifier("compact", (32, 32, 3), 4, unit_embedding=True)
    faces = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    outputs = classifier(faces)
    lengths = np.linalg.norm(outputs["embedding"], axis=-1)
    np.testing.assert_allclose(lengths, [1, 1, 1], rtol=1e-5)
    kernel, bias = classifier.get_layer("logits").get_weights()
    expected = np.asarray(outputs["embedding"]) @ kernel + bias
    np.testing.assert_allclose(outputs["logits"], expected, rtol=1e-4, atol=1e-6)


def test_centroids_are_constants_for_the_gradient():
    embeddings = tf.Variable([[1.0, 2.0], [0.5, -1.0]])
    centroids = tf.Variable([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]])
    with tf.GradientTape() as tape:
        loss = large_margin_loss(tf.constant([0, 2]), embeddings, centroids)
    of_embeddings, of_centroids = tape.gradient(loss, (embeddings, centroids))
    assert of_centroids is None and np.abs(of_embeddings).max() > 0.01
