"""MEK: mine extra knowledge for imbalanced expressions (Zhang et al., NeurIPS 2023)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.training.class_counts import checked_counts
from kerasfer.training.feature_map import feature_map_of
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Array, Classifier, Tensor


class MEK(SemiSupervisedModel):
    """A supervised reference: attention agrees on a face and its mirror image.

        A_k(x) = sum_c W_ck F_c(x), the class activation maps
        L = mean H(y~, p(x))
          + 0.145 sum_k w_k mean (A_k(x) - mirrored A_k(mirrored x))^2
        w_k = (1 / N_k) / mean_j (1 / N_j)

    y~ gives the true class 1 - `smoothing` and the others the rest in proportion to w.
    F is the map of the layer `feature_map`, W the kernel of the layer `logits`, a
    constant in A. Rare classes thus learn from the attention of all faces. It learns
    from labelled faces only.

    *Deviation*: the authors' w_k = N / (10 N_k) has another scale on every data set;
    here its mean is 1, and the weight `attention` of 0.145 is their 0.1 times the mean
    on RAF-DB, 1.447.

    *What it needs.* The authors' pretrained Swin-T, AdamW, warm-up and gradient
    clipping are the caller's. From scratch the attention loss is larger than the
    cross-entropy at the start and the maps collapse: give `loss_weights={"attention":
    0.01}`.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords, with the layers
            `feature_map` and `logits`; `loss_weights` are `supervised` 1 and
            `attention` 0.145. The frame's `supervised_loss` gets the soft labels y~.
        class_counts: (num_classes,), labelled faces of each class, all at least 1.
        smoothing: in [0, 1). 0.3 is its code's.

    Raises:
        ValueError: a count below 1, smoothing out of range, or a classifier of other
            classes or without these layers.

    >>> model = MEK(classifier, class_counts)
    """

    loss_weights = {"supervised": 1.0, "attention": 0.145}

    def __init__(
        self,
        classifier: Classifier,
        class_counts: Sequence[float],
        smoothing: float = 0.3,
        **kwargs: Any,
    ) -> None:
        counts = checked_counts(class_counts, classifier)
        if not 0 <= smoothing < 1:
            raise ValueError(f"`smoothing` must be in [0, 1). Received: {smoothing}.")
        outputs = {**classifier.output, "feature_map": feature_map_of(classifier)}
        with_map = keras.Model(classifier.input, outputs, name=classifier.name)
        super().__init__(with_map, **kwargs)
        inverse = 1.0 / counts
        self.class_weights = (inverse / inverse.mean()).astype("float32")
        self.soft_labels = rebalanced_labels(self.class_weights, smoothing)

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        mirrored = self.forward(tf.reverse(batch["image"], [2]))
        outputs = {"image": self.forward(batch["image"])}
        maps = self._attention(outputs["image"])
        difference = maps - tf.reverse(self._attention(mirrored), [2])
        of_class = tf.reduce_mean(tf.square(difference), [1, 2])
        soft = tf.gather(tf.constant(self.soft_labels), labels)
        losses = {
            "supervised": batch_mean(self.supervised_loss(soft, outputs["image"])),
            "attention": batch_mean(
                tf.reduce_sum(tf.constant(self.class_weights) * of_class, -1)
            ),
        }
        return Step(losses, labels, outputs)

    def _attention(self, outputs):
        """Class activation maps, float32 (batch, height, width, num_classes)."""
        kernel = tf.convert_to_tensor(self.classifier.get_layer("logits").kernel)
        feature_map = tf.cast(outputs["feature_map"], tf.float32)
        return tf.tensordot(feature_map, tf.stop_gradient(kernel), 1)


def rebalanced_labels(class_weights: Array, smoothing: float) -> Array:
    """Row k: the soft label of class k, float32 (num_classes, num_classes).

    >>> rebalanced_labels(np.array([1.0, 1.0, 3.0]), 0.4)[0]  # [.6, .1, .3]
    """
    others = np.asarray(class_weights, np.float64) * (1.0 - np.eye(len(class_weights)))
    others /= others.sum(1, keepdims=True)
    soft = (1.0 - smoothing) * np.eye(len(class_weights)) + smoothing * others
    return soft.astype("float32")
