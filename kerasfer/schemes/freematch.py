"""FreeMatch (Wang et al., ICLR 2023)."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.losses.reductions import all_reduce_sum
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


class FreeMatch(SemiSupervisedModel):
    """FixMatch with thresholds that follow the classifier's own confidence.

        tau <- m tau + (1-m) mean max q;   p <- m p + (1-m) mean q
        h <- m h + (1-m) histogram of argmax q;   tau_c = tau p_c / max_k p_k
        L = mean H(y, p(x)) + lambda_u mean 1[max q >= tau_c] H(c, p(A(u)))
          + lambda_f sum_c S(p / h)_c log S(p' / h')_c,     S(v) = v / sum v

    with q the prediction on the weak view, c its argmax; p' and h' the mean and the
    histogram of predictions on strong views of the faces that pass, h' a constant.
    States start at 1/K and move before the step's faces are selected.

    The last term is minus a cross-entropy, 0 where nothing passes. The sign is the
    authors', who confirm it. The term is highest where S(p' / h') = S(p / h), so
    descent moves away from there, only slightly because its weight is small.

    lambda_f 0.01 is the authors' first code's (0.001 in their second one, 0.01 or 0.05
    in the paper). In runs below 10,000 steps give `momentum=0.99`: with 0.999 nearly
    all faces pass for the first thousand.

    *Deviation*: in the ratio p / h, h is at least 1e-6; the authors' ratio grows
    without bound for a class that is never predicted.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords; `loss_weights`
            are `supervised` 1, `unlabeled` 1 and `fairness` 0.01.
        momentum: m, in [0, 1). 0.999 is the paper's.

    Raises:
        ValueError: `momentum` is out of range.

    >>> model = FreeMatch(build_classifier("compact", (48, 48, 3), 7), momentum=0.99)
    """

    views = ("weak", "strong")
    offers = (CLASSES, HARD_LABELS, SHIFTED_LOGITS)
    loss_weights = {"supervised": 1.0, "unlabeled": 1.0, "fairness": 0.01}

    def __init__(
        self, classifier: Classifier, momentum: float = 0.999, **kwargs: Any
    ) -> None:
        super().__init__(classifier, **kwargs)
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1). Received: {momentum}.")
        self.momentum = momentum
        num_classes = self.classifier.output["probs"].shape[-1]
        uniform = keras.initializers.Constant(1.0 / num_classes)
        self.confidence = add_state(self, "confidence", (), uniform)
        self.predicted = add_state(self, "predicted", (num_classes,), uniform)
        self.histogram = add_state(self, "histogram", (num_classes,), uniform)

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        confidence, predicted, histogram = self._moved(confidences(outputs["weak"]))
        limits = _by_class(confidence, predicted)
        pseudo = self.pseudo_labels(outputs["weak"], limits)
        logits = outputs["strong"]["logits"]
        strong = tf.nn.sparse_softmax_cross_entropy_with_logits(
            pseudo.labels, self.adjust_logits(logits)
        )
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "unlabeled": batch_mean(pseudo.mask * strong),
            "fairness": fairness(logits, pseudo.mask, predicted, histogram),
        }
        updates = (
            (self.confidence, confidence),
            (self.predicted, predicted),
            (self.histogram, histogram),
        )
        return Step(losses, labels, outputs, pseudo, updates)

    def thresholds(self) -> Tensor | float | None:
        """tau_c of all classes, float32 (num_classes,)."""
        return _by_class(*map(tf.convert_to_tensor, (self.confidence, self.predicted)))

    def _moved(self, q):
        """The states after the predictions q."""
        q = tf.stop_gradient(q)
        one_hot = tf.one_hot(tf.argmax(q, -1), q.shape[-1])
        return [
            self.momentum * tf.convert_to_tensor(state)
            + (1.0 - self.momentum) * all_reduce_mean(tf.reduce_mean(value, 0))
            for state, value in (
                (self.confidence, tf.reduce_max(q, -1)),
                (self.predicted, q),
                (self.histogram, one_hot),
            )
        ]


def _by_class(confidence, predicted):
    """tau_c of tau and p."""
    return confidence * predicted / tf.reduce_max(predicted)


def fairness(
    logits: Tensor, mask: Tensor, predicted: Tensor, histogram: Tensor
) -> Tensor:
    """sum_c S(p / h)_c log(S(p' / h')_c + 1e-12), over the faces that pass.

    Args:
        logits: float (batch, num_classes), of the strong view.
        mask: float (batch,), 1 = passes.
        predicted, histogram: float (num_classes,), p and h.

    Returns:
        float scalar, 0 at most; 0 where no face of any replica passes.

    >>> uniform = [0.5, 0.5]
    >>> fairness([[9.0, -9.0], [-9.0, 9.0]], [1.0, 1.0], uniform, uniform)  # -log 2
    """
    probs = tf.nn.softmax(logits)
    one_hot = tf.one_hot(tf.argmax(probs, -1), probs.shape[-1])
    weight = tf.cast(mask, probs.dtype)[:, None]
    count = all_reduce_sum(tf.reduce_sum(weight))
    mean = tf.math.divide_no_nan(
        all_reduce_sum(tf.reduce_sum(weight * probs, 0)), count
    )
    guessed = tf.math.divide_no_nan(
        all_reduce_sum(tf.reduce_sum(weight * one_hot, 0)), count
    )
    wanted = _share(predicted / tf.maximum(histogram, 1e-6))
    reached = _share(tf.math.divide_no_nan(mean, tf.stop_gradient(guessed)))
    loss = tf.reduce_sum(wanted * tf.math.log(reached + 1e-12))
    return tf.where(count > 0, loss, 0.0)


def _share(values):
    return tf.math.divide_no_nan(values, tf.reduce_sum(values))
