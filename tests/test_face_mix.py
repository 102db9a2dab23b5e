"""FaceMix: MixUp that counts for less where faces do not overlap."""

import numpy as np
import pytest
import tensorflow as tf
from support.toys import as_images, logits_classifier, softmax

from kerasfer.schemes import FaceMix
from kerasfer.schemes.face_mix import box_overlap

IMAGE = np.random.default_rng(0).normal(0, 2, (5, 3))
LABELS = np.array([0, 2, 1, 0, 1])
LAMBDA = np.array([0.1, 0.9, 0.5, 0.7, 0.3], np.float32)


def losses_of(model, **more):
    batch = {"image": as_images(IMAGE), "uniform_labeled": LAMBDA, **more}
    return model.scheme_step(batch, tf.constant(LABELS, tf.int32)).losses


def entropy(target, logits):
    return -np.sum(target * np.log(softmax(logits)))


def by_loops(overlap, smoothing=0.1):
    mixed, unmixed = 0.0, 0.0
    for i in range(5):
        j, lam = 4 - i, LAMBDA[i]
        smooth = [(1 - smoothing) * np.eye(3)[y] + smoothing / 3 for y in LABELS]
        mixed += entropy(
            lam * smooth[i] + (1 - lam) * smooth[j],
            lam * IMAGE[i] + (1 - lam) * IMAGE[j],
        )
        faces = [entropy(np.eye(3)[LABELS[k]], IMAGE[k]) for k in (i, j)]
        unmixed += (1 - overlap[i]) * sum(faces)
    return mixed / 5, unmixed / 5


@pytest.mark.parametrize("overlap", [1.0, 0.0, 0.4])
def test_it_is_the_equation(overlap):
    losses = losses_of(FaceMix(logits_classifier(), overlap))
    expected = by_loops([overlap] * 5)
    np.testing.assert_allclose(losses["supervised"], expected[0], rtol=1e-5)
    np.testing.assert_allclose(losses["unmixed"], expected[1], rtol=1e-5, atol=1e-7)


def test_overlaps_of_one_s_own_boxes():
    boxes = np.array(
        [[0, 0, 2, 2], [0, 0, 1, 1], [5, 5, 6, 6], [0, 0, 1, 2], [1, 0, 3, 2]], "f"
    )
    model = FaceMix(
        logits_classifier(),
        overlap=lambda batch: box_overlap(batch["box"], batch["box"][::-1]),
        smoothing=0.0,
    )
    # 2 of 6, 1 of 2, itself, and again.
    overlaps = [1 / 3, 1 / 2, 1, 1 / 2, 1 / 3]
    np.testing.assert_allclose(box_overlap(boxes, boxes[::-1]), overlaps, rtol=1e-6)
    losses = losses_of(model, box=tf.constant(boxes))
    np.testing.assert_allclose(losses["unmixed"], by_loops(overlaps, 0.0)[1], rtol=1e-5)


def test_boxes_apart_touching_and_without_area():
    first = [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0], [3, 3, 2, 2]]
    second = [[2, 2, 3, 3], [1, 0, 2, 1], [0, 0, 0, 0], [0, 0, 9, 9]]
    assert np.asarray(box_overlap(first, second)).tolist() == [0, 0, 0, 0]


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match="overlap"):
        FaceMix(logits_classifier(), overlap=1.1)
    for smoothing in (-0.1, 1.0):
        with pytest.raises(ValueError, match="smoothing"):
            FaceMix(logits_classifier(), smoothing=smoothing)
    column = FaceMix(logits_classifier(), overlap=lambda batch: tf.ones((5, 1)))
    with pytest.raises(ValueError, match="one number a face"):
        losses_of(column)
