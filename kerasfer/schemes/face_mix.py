"""FaceMix, the supervised stage of SSFER (Song et al., Neurocomputing 2025)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.training.checks import require_within
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor


class FaceMix(SemiSupervisedModel):
    """A supervised reference: MixUp, which counts for less where two faces do not
    overlap.

        x~ = lambda x + (1 - lambda) x',   y~ likewise, of labels smoothed by epsilon
        L = mean [H(y~, p(x~)) + (1 - o) (H(y, p(x)) + H(y', p(x')))]

    with face i's partner x' at place B - 1 - i of the batch, lambda uniform in [0, 1],
    and o the intersection over union of the boxes of the two faces. Where they overlap,
    the mixture is a face; where not, the faces themselves are learned.

    Of SSFER this is the second stage. Its first (a masked autoencoder on a vision
    transformer) is any pretrained backbone here, its third FixMatch by an averaged
    teacher. *On aligned faces o is about 1*, and FaceMix is MixUp with smoothed labels:
    that is the default. *Deviation*: the authors' program mixes in place, so that its
    last two terms see mixtures too; this is the equation. It learns from labelled faces
    only.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords. A
            `supervised_loss` of your own must accept soft labels.
        overlap: o in [0, 1], one number; or a function of the batch, a dict of tensors
            with your own entries, that gives float (B,), such as `box_overlap` of
            boxes and `boxes[::-1]`.
        smoothing: epsilon in [0, 1).

    Raises:
        ValueError: a number out of range.

    >>> model = FaceMix(build_classifier("compact", (48, 48, 3), 7), overlap=0.9)
    """

    views = ("uniform_labeled",)
    loss_weights = {"supervised": 1.0, "unmixed": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        overlap: float | Callable[[dict[str, Tensor]], Tensor] = 1.0,
        smoothing: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        if not callable(overlap):
            require_within(0, 1, overlap=overlap)
        if not 0 <= smoothing < 1:
            raise ValueError(f"`smoothing` must be in [0, 1). Received: {smoothing}.")
        self.overlap, self.smoothing = overlap, smoothing

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {"image": self.forward(batch["image"])}
        num_classes = outputs["image"]["probs"].shape[-1]
        one_hot = tf.one_hot(labels, num_classes)
        smooth = (1.0 - self.smoothing) * one_hot + self.smoothing / num_classes

        weight = tf.cast(batch["uniform_labeled"], tf.float32)
        images = _mixed(tf.cast(batch["image"], tf.float32), weight)
        outputs["mixed"] = self.forward(images)
        of_mixed = self.supervised_loss(_mixed(smooth, weight), outputs["mixed"])

        overlap = self.overlap(batch) if callable(self.overlap) else self.overlap
        overlap = tf.convert_to_tensor(overlap, tf.float32)
        if overlap.shape.rank > 1:
            raise ValueError(
                "`overlap` must give one number a face, (batch,). Received: shape="
                f"{overlap.shape}."
            )
        of_faces = self.supervised_loss(one_hot, outputs["image"])
        unmixed = (1.0 - overlap) * (of_faces + tf.reverse(of_faces, [0]))
        losses = {"supervised": batch_mean(of_mixed), "unmixed": batch_mean(unmixed)}
        return Step(losses, labels, outputs)


def _mixed(rows, weight):
    """Each row with the one at the same place from the end."""
    weight = tf.reshape(weight, [-1] + [1] * (len(rows.shape) - 1))
    return weight * rows + (1.0 - weight) * tf.reverse(rows, [0])


def box_overlap(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes, row by row.

    Args:
        boxes, others: float (batch, 4): left, top, right, bottom.

    Returns:
        float (batch,) in [0, 1]; 0 for two boxes without area.

    >>> box_overlap([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]])  # [1/3]
    """
    boxes = tf.convert_to_tensor(boxes, tf.float32)
    others = tf.convert_to_tensor(others, tf.float32)
    first = tf.maximum(boxes[:, :2], others[:, :2])
    last = tf.minimum(boxes[:, 2:], others[:, 2:])
    common = tf.reduce_prod(tf.maximum(last - first, 0.0), -1)
    union = _area(boxes) + _area(others) - common
    return tf.math.divide_no_nan(common, union)


def _area(boxes):
    return tf.reduce_prod(tf.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), -1)
