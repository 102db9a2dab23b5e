"""SoftMatch (Chen et al., ICLR 2023)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.losses.reductions import num_replicas
from kerasfer.targets.pseudo_labels import distribution_alignment
from kerasfer.training import (
    CLASSES,
    HARD_LABELS,
    SHIFTED_LOGITS,
    SemiSupervisedModel,
    Step,
    add_state,
    all_reduce_mean,
    confidences,
)
from kerasfer.types import Classifier, Tensor


class SoftMatch(SemiSupervisedModel):
    """Every pseudo-label counts, by a truncated Gaussian of its confidence.

        p <- m p + (1-m) mean q;   q' = q / p, divided by its sum
        mu, var <- mean and variance of max q', by the same momentum
        w = exp(-min(max q' - mu, 0)^2 / (2 var / n^2)),  1 above the mean
        L = mean H(y, p(x)) + lambda_u mean w H(argmax q, p(A(u)))

    with q the prediction on the weak view. Labels are of q as it is; only weights are
    of q', aligned to a uniform distribution. States start at p = 1/K, mu = 1/K and
    var = 1, at which nearly every face counts in full, and move before the weights.
    In runs below 10,000 steps give `momentum=0.99`.

    *Deviations*: p starts uniform (the authors' second code takes the first batch's);
    the variance of a single face counts as 0. Where classes are far from balanced,
    alignment to uniform favours the rare ones: `class_distribution` names another goal.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords; `loss_weights`
            are `supervised` 1 and `unlabeled` 1.
        momentum: m, in [0, 1). 0.999 is the paper's.
        sharpness: n > 0; the larger, the narrower the Gaussian.
        class_distribution: (num_classes,), shares that q is aligned to; None is
            uniform.

    Raises:
        ValueError: a number out of range, or shares that are none of the classes'.

    >>> model = SoftMatch(build_classifier("compact", (48, 48, 3), 7), momentum=0.99)
    """

    views = ("weak", "strong")
    offers = (CLASSES, HARD_LABELS, SHIFTED_LOGITS)
    loss_weights = {"supervised": 1.0, "unlabeled": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        momentum: float = 0.999,
        sharpness: float = 2.0,
        class_distribution: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        num_classes = self.classifier.output["probs"].shape[-1]
        given = class_distribution
        uniform = [1.0 / num_classes] * num_classes
        self.wanted = uniform if given is None else [float(share) for share in given]
        shares = len(self.wanted) == num_classes and abs(sum(self.wanted) - 1) < 1e-3
        if not (0 <= momentum < 1 and sharpness > 0 and shares):
            raise ValueError(
                f"Expected momentum in [0, 1), sharpness > 0 and {num_classes} shares "
                f"that sum to 1. Received: momentum={momentum}, sharpness={sharpness}, "
                f"class_distribution={given}."
            )
        self.momentum, self.sharpness = momentum, sharpness
        constant = keras.initializers.Constant
        start = constant(1.0 / num_classes)
        self.predicted = add_state(self, "predicted", (num_classes,), start)
        self.mean = add_state(self, "mean", (), start)
        self.variance = add_state(self, "variance", (), constant(1.0))

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        states = self._moved(tf.stop_gradient(confidences(outputs["weak"])))
        pseudo = self.pseudo_labels(outputs["weak"], states)
        strong = tf.nn.sparse_softmax_cross_entropy_with_logits(
            pseudo.labels, self.adjust_logits(outputs["strong"]["logits"])
        )
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "unlabeled": batch_mean(pseudo.mask * strong),
        }
        updates = zip((self.predicted, self.mean, self.variance), states, strict=True)
        return Step(losses, labels, outputs, pseudo, tuple(updates))

    def select(self, scores: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
        """Labels, and as mask the weights w; `thresholds` are the states p, mu, var."""
        predicted, mean, variance = thresholds
        scores = tf.stop_gradient(scores)
        aligned = distribution_alignment(scores, self.wanted, predicted)
        below = tf.minimum(tf.reduce_max(aligned, -1) - mean, 0.0)
        width = 2.0 * variance / self.sharpness**2
        weights = tf.exp(-tf.math.divide_no_nan(tf.square(below), width))
        return tf.argmax(scores, -1, output_type=tf.int32), weights

    def thresholds(self) -> Tensor | float | None:
        """mu: faces above it count in full."""
        return tf.convert_to_tensor(self.mean)

    def _moved(self, q):
        """p, mu and var after the predictions q."""
        predicted = self._towards(self.predicted, all_reduce_mean(tf.reduce_mean(q, 0)))
        aligned = distribution_alignment(q, self.wanted, predicted)
        confidence = tf.reduce_max(aligned, -1)
        mean = all_reduce_mean(tf.reduce_mean(confidence))
        spread = all_reduce_mean(tf.reduce_mean(tf.square(confidence - mean)))
        count = tf.cast(tf.size(confidence) * num_replicas(), tf.float32)
        unbiased = spread * count / tf.maximum(count - 1.0, 1.0)
        return (
            predicted,
            self._towards(self.mean, mean),
            self._towards(self.variance, unbiased),
        )

    def _towards(self, state, value):
        kept = self.momentum * tf.convert_to_tensor(state)
        return kept + (1.0 - self.momentum) * value
