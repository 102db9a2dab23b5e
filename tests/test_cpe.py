"""CPE against its equations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import dense_classifier, map_classifier, random_faces, softmax

from kerasfer.data import training_dataset
from kerasfer.schemes import CPE


def cpe(counts=(8, 2, 4), **options):
    options = {"threshold": 0.4, "cuts": (1, 2), **options}
    return CPE(map_classifier(), counts, **options)


def test_cpe_is_the_equation():
    model = cpe()
    faces = random_faces(8, side=4)
    views = {
        "image": faces.images[:4],
        "weak": faces.images,
        "strong": faces.images[::-1],
    }
    labels = faces.labels[:4].astype(np.int32)
    start = model.classifier.get_weights()
    step = model.scheme_step(views, labels)
    expert = {v: np.asarray(o["expert_logits"]) for v, o in step.outputs.items()}
    assert expert["weak"].shape == (8, 3, 3, 3)

    pi, rank = np.array([8, 2, 4]) / 14, [0, 2, 1]  # class 1 is the rarest
    supervised = unlabeled = 0.0
    for j, tau in enumerate((0.0, 2.0, 4.0)):
        z = expert["image"][:, j].mean(1) + tau * np.log(pi)
        supervised -= np.log(softmax(z)[np.arange(4), labels]).mean()
        total = count = 0.0
        for b in range(8):
            p = softmax(expert["weak"][b, j].mean(0))
            c = int(p.argmax())
            for part, cut in enumerate((0, 1, 2)):
                if p.max() >= 0.4 and rank[c] >= cut:
                    total -= np.log(softmax(expert["strong"][b, j, part])[c])
                    count += 1
        unlabeled += total / max(count, 1)  # over the selected terms, not the batch
    np.testing.assert_allclose(step.losses["supervised"], supervised, rtol=1e-4)
    np.testing.assert_allclose(step.losses["unlabeled"], unlabeled, rtol=1e-4)
    model.classifier.set_weights(start)


def test_cpe_predicts_by_its_second_expert_without_adjustment():
    model = cpe()
    faces = random_faces(5, side=4)
    outputs = model.classifier(faces.images)
    second = np.asarray(outputs["expert_logits"])[:, 1].mean(1)
    np.testing.assert_allclose(outputs["logits"], second, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs["probs"], softmax(second), rtol=1e-4)


def test_a_head_class_moves_the_first_normalisation_alone():
    """Of unlabelled faces: rank 0 is in neither the medium nor the tail part."""
    model = cpe(threshold=0.0, counts=(8, 2, 4))
    faces = random_faces(4, side=4)
    for number in (1, 2, 3):  # every face is predicted to be of class 0
        expert = model.classifier.get_layer(f"expert_{number}")
        kernel, _ = expert.get_weights()
        expert.set_weights([kernel, np.array([50.0, 0, 0])])
    views = dict.fromkeys(("image", "weak", "strong"), faces.images)
    with tf.GradientTape() as tape:
        loss = model.scheme_step(views, np.zeros(4, np.int32)).losses["unlabeled"]
    gammas = [
        model.classifier.get_layer(f"norm_{part}").gamma
        for part in ("head", "medium", "tail")
    ]
    gradients = tape.gradient(
        loss, gammas, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    moved = [float(tf.reduce_max(tf.abs(g))) for g in gradients]
    assert moved[1] == moved[2] == 0.0
    np.testing.assert_array_equal(model.parts, [[1, 1, 1], [0, 1, 1], [0, 1, 0]])


def test_cpe_without_a_confident_face():
    model = cpe(threshold=1.1)
    faces = random_faces(4, side=4)
    views = dict.fromkeys(("image", "weak", "strong"), faces.images)
    with tf.GradientTape() as tape:
        losses = model.scheme_step(views, faces.labels.astype(np.int32)).losses
        total = tf.add_n(list(losses.values()))
    assert float(losses["unlabeled"]) == 0.0
    for gradient in tape.gradient(total, model.trainable_variables):
        assert np.isfinite(tf.convert_to_tensor(gradient).numpy()).all()


def test_cpe_needs_a_map():
    with pytest.raises(ValueError, match="no layer `feature_map`"):
        CPE(dense_classifier(), [1, 2, 3])


def test_adjustments_of_rare_classes_stay_finite():
    model = CPE(map_classifier(), [877, 3, 1])
    assert np.isfinite(model.shifts).all()
    np.testing.assert_allclose(model.shifts[2, 1], 4 * np.log(3 / 881), rtol=1e-6)


def test_it_trains_under_float16():
    faces = random_faces(12, side=4)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = CPE(map_classifier(dtype="mixed_float16"), [4, 4, 4], threshold=0.3)
        model.compile(keras.optimizers.SGD(0.05))
        logs = model.fit(
            training_dataset(faces, faces, model.all_views, 4),
            steps_per_epoch=3,
            verbose=0,
        ).history
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(logs["loss"][0])
