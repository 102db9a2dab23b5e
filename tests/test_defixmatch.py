"""DeFixMatch: its equation, by loops, and that its correction corrects."""

import numpy as np
import pytest
import tensorflow as tf
from support.toys import as_images, logits_classifier, random_faces, softmax

import kerasfer
from kerasfer.data import training_dataset
from kerasfer.schemes import DeFixMatch

RNG = np.random.default_rng(0)
IMAGE, IMAGE_STRONG, WEAK, STRONG = RNG.normal(0, 2, (4, 6, 3))
LABELS = np.array([0, 2, 1, 0, 1, 2])


def step_of(model, **views):
    given = {
        "image": IMAGE,
        "image_strong": IMAGE_STRONG,
        "weak": WEAK,
        "strong": STRONG,
    }
    batch = {name: as_images(value) for name, value in (given | views).items()}
    return model.scheme_step(batch, tf.constant(LABELS, tf.int32))


def learned(weak, strong, threshold):
    total = 0.0
    for w, s in zip(softmax(weak), softmax(strong), strict=True):
        if w.max() >= threshold:
            total -= np.log(s[w.argmax()])
    return total / len(weak)


def test_it_is_the_equation():
    step = step_of(DeFixMatch(logits_classifier(), threshold=0.7))
    supervised = -np.mean(
        [
            (np.log(softmax(IMAGE)[i, y]) + np.log(softmax(IMAGE_STRONG)[i, y])) / 2
            for i, y in enumerate(LABELS)
        ]
    )
    unlabeled = learned(WEAK, STRONG, 0.7) - learned(IMAGE, IMAGE_STRONG, 0.7)
    np.testing.assert_allclose(step.losses["supervised"], supervised, rtol=1e-5)
    np.testing.assert_allclose(step.losses["unlabeled"], unlabeled, rtol=1e-5)
    assert 0 < np.sum(step.pseudo.mask) < 6  # the threshold divides these faces


def test_on_the_same_faces_the_braces_cancel():
    """Then only supervised training is left: the gradient of the rest is 0."""
    model = DeFixMatch(logits_classifier(), threshold=0.5)
    faces, strong = tf.Variable(as_images(IMAGE)), tf.Variable(as_images(IMAGE_STRONG))
    with tf.GradientTape() as tape:
        batch = {"image": faces, "weak": faces}
        batch |= {"image_strong": strong, "strong": strong}
        loss = model.scheme_step(batch, tf.constant(LABELS, tf.int32)).losses
    assert float(loss["unlabeled"]) == 0
    assert not np.any(tape.gradient(loss["unlabeled"], strong))


def test_both_guesses_are_made_in_the_same_mode():
    """In inference mode, where the weak views are: dropout would else make two."""
    classifier = kerasfer.build_classifier("compact", (16, 16, 3), 3, dropout=0.9)
    model = DeFixMatch(classifier, threshold=0.0, weak_training=False)
    seen = []
    object.__setattr__(model, "forward_weak", lambda x: seen.append(x) or classifier(x))
    faces = random_faces(4, side=16)
    views = dict.fromkeys(("image", "image_strong", "weak", "strong"), faces.images)
    model.scheme_step(views, tf.constant(faces.labels, tf.int32))
    assert len(seen) == 2


def test_guesses_are_constants():
    model = DeFixMatch(logits_classifier(), threshold=0.5)
    weak, image = tf.Variable(as_images(WEAK)), tf.Variable(as_images(IMAGE))
    with tf.GradientTape() as tape:
        batch = {"image": image, "weak": weak}
        batch |= {"image_strong": as_images(IMAGE_STRONG), "strong": as_images(STRONG)}
        loss = model.scheme_step(batch, tf.constant(LABELS, tf.int32)).losses
    gradients = tape.gradient(loss["unlabeled"], [weak, image], "zero")
    assert not any(np.any(g) for g in gradients)


def test_a_threshold_below_0():
    with pytest.raises(ValueError, match="threshold"):
        DeFixMatch(logits_classifier(), threshold=-0.1)


def test_the_strong_view_of_labelled_faces():
    """It is of the same faces, in their order; others stay as they were without it."""
    faces, rest = random_faces(8, side=16), random_faces(8, side=16, seed=1)
    views = ("weak", "strong", "image_strong")
    with_it, label = next(iter(training_dataset(faces, rest, views, batch_size=4)))
    without, same = next(iter(training_dataset(faces, rest, views[:2], batch_size=4)))
    np.testing.assert_array_equal(label, same)
    for view in without:
        np.testing.assert_array_equal(with_it[view], without[view])
    assert with_it["image_strong"].shape == (4, 16, 16, 3)
    assert np.any(with_it["image_strong"] != with_it["image"])
    # It needs no unlabelled faces, and a strong view of one's own is its view too.
    own = training_dataset(
        faces, views=views[2:], batch_size=4, strong=lambda image, seed: image[::-1]
    )
    batch, label = next(iter(own))
    for view, k in zip(batch["image_strong"], label, strict=True):
        mirrored = view.numpy()[::-1]
        of_class = faces.images[faces.labels == int(k)]
        assert any(np.array_equal(mirrored, face) for face in of_class)
