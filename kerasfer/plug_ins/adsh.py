"""Adsh: adaptive thresholds for class-imbalanced data (Guo and Li, ICML 2022)."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.training.class_counts import checked_counts
from kerasfer.training.fit import CLASSES, HARD_LABELS
from kerasfer.training.own_outputs import confidences
from kerasfer.training.plug_in import PlugIn
from kerasfer.types import Classifier, Dataset, Tensor


class Adsh(PlugIn):
    """Thresholds by which every class keeps the share that the largest one keeps.

        label = argmax_k p_k / tau_k,   mask = 1[max_k p_k / tau_k >= 1]
        rho   = share of the predictions of the largest class with confidence >= tau
        tau_k = min(tau, confidence at rank max(0, round(n_k rho - 1)) of class k's)

    measured at the end of epochs, from the second on, by the online weights on all
    unlabelled faces; the largest class, by labelled faces, keeps tau. A class that
    nothing is predicted as keeps its threshold, and where no prediction of the largest
    class reaches tau all keep theirs (the authors' code would let everything in). It
    replaces the rule of the scheme, with its threshold.

    *Deviation*: measured on faces without augmentation. A pass over all of them each
    epoch costs time: `EpochUpdate(labeled, unlabeled)` may be given a part.

    Args:
        class_counts: (num_classes,), labelled faces of each class, all at least 1.
        threshold: tau in (0, 1], of the largest class and at most of the others. 0.95
            is its code's.

    Raises:
        ValueError: a count below 1, a threshold out of range, a classifier of other
            classes, or no unlabelled faces for `EpochUpdate`.

    >>> model = FixMatch(classifier, plug_ins=(Adsh(class_counts),))
    """

    needs = (CLASSES, HARD_LABELS)

    def __init__(
        self, class_counts: Sequence[float], threshold: float = 0.95, **kwargs: Any
    ) -> None:
        super().__init__(**{"name": "adsh", "dtype": "float32", **kwargs})
        counts = checked_counts(class_counts)
        if not 0 < threshold <= 1:
            raise ValueError(f"`threshold` must be in (0, 1]. Received: {threshold}.")
        self.largest, self.threshold = int(np.argmax(counts)), threshold
        start = keras.initializers.Constant(threshold)
        self.thresholds = add_state(self, "thresholds", (len(counts),), start)
        self.epochs = add_state(self, "epochs", ())
        self.built = True

    def attach(self, classifier: Classifier) -> Classifier:
        checked_counts(np.ones(self.thresholds.shape[0]), classifier)
        return classifier

    def select(
        self, weak: dict[str, Tensor], rule: Callable[..., Any], scores: Tensor
    ) -> tuple[Tensor, Tensor]:
        ratios = tf.stop_gradient(scores) / tf.convert_to_tensor(self.thresholds)
        labels = tf.argmax(ratios, -1, output_type=tf.int32)
        return labels, tf.cast(tf.reduce_max(ratios, -1) >= 1.0, tf.float32)

    def adjust_thresholds(self, thresholds: Tensor) -> Tensor:
        return tf.convert_to_tensor(self.thresholds)

    def epoch_end(
        self, model: Any, labeled: Dataset, unlabeled: Dataset | None
    ) -> None:
        """Measures the thresholds, from the end of the second epoch on."""
        self.epochs.assign(tf.convert_to_tensor(self.epochs) + 1.0)
        if tf.convert_to_tensor(self.epochs) < 2.0:
            return
        if unlabeled is None:
            raise ValueError(
                "Adsh needs the unlabelled faces. Give them to the callback: "
                "EpochUpdate(labeled, unlabeled)."
            )
        probs = [
            confidences(model.infer_own(images, averaged=False))
            for images, _ in unlabeled
        ]
        self.thresholds.assign(
            adaptive_thresholds(
                np.concatenate(probs),
                tf.convert_to_tensor(self.thresholds).numpy(),
                self.largest,
                self.threshold,
            )
        )


def adaptive_thresholds(
    probs: Tensor, thresholds: Tensor, largest: int, threshold: float
) -> Tensor:
    """The thresholds that predictions ask for.

    Args:
        probs: float (faces, num_classes).
        thresholds: float (num_classes,), those so far.
        largest: index of the largest class.
        threshold: tau.

    Returns:
        float (num_classes,).

    >>> probs = np.array([[0.96, 0.04], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    >>> adaptive_thresholds(probs, np.array([0.95, 0.95]), 0, 0.95)
    array([0.95, 0.7 ])
    """
    predicted, confidence = probs.argmax(-1), probs.max(-1)
    of_largest = confidence[predicted == largest]
    adapted = np.array(thresholds, np.float64)
    if not (of_largest >= threshold).any():
        return adapted
    rho = (of_largest >= threshold).mean()
    for k in range(len(adapted)):
        of_class = np.sort(confidence[predicted == k])[::-1]
        if k != largest and len(of_class):
            rank = max(0, round(len(of_class) * rho - 1))
            adapted[k] = min(threshold, of_class[rank])
    return adapted
