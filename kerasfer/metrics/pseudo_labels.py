"""How good pseudo-labels are."""

from typing import Any

import tensorflow as tf

from kerasfer.metrics.counting import CountingMetric
from kerasfer.types import Tensor


class PseudoLabelQuality(CountingMetric):
    """How many unlabelled faces got a pseudo-label, and how many of those were right.

    `result()` gives two scalars for the progress bar: `mask_rate`, the share of faces
    whose pseudo-label passed, and `pseudo_label_accuracy`, the share of right ones
    among those of known class. `per_class()` gives the rest.

    Args:
        num_classes: of the problem.

    >>> quality = PseudoLabelQuality(2)
    >>> quality.update_state([0, 0, 1], [1.0, 0.0, 1.0], [0, 0, 0])
    >>> quality.result()  # {"mask_rate": 0.667, "pseudo_label_accuracy": 0.5}
    """

    num_bins = 20  # of confidences in [0, 1]

    def __init__(
        self, num_classes: int, name: str = "pseudo_label_quality", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        # True class by pseudo-label, of faces whose class is known.
        self.kept = self.counts_of("kept", (num_classes, num_classes))
        self.seen = self.counts_of("seen", (num_classes,))
        # By pseudo-label, of all faces.
        self.passed = self.counts_of("passed", (num_classes,))
        self.unsure = self.counts_of("unsure", (num_classes,))
        # By pseudo-label and confidence: of all faces, of those that are of that class.
        shape = (num_classes, self.num_bins)
        self.faces = self.counts_of("faces", shape)
        self.right = self.counts_of("right", shape)

    def update_state(
        self,
        pseudo_labels: Tensor,
        mask: Tensor,
        labels: Tensor,
        confidence: Tensor | None = None,
    ) -> None:
        """Counts a batch.

        Args:
            pseudo_labels: int (batch,).
            mask: float (batch,), 1 = passed.
            labels: int (batch,), true classes, -1 = unknown.
            confidence: float (batch,) in [0, 1]; None is left out of `confidences`.
        """
        num_classes = self.seen.shape[0]
        mask = tf.cast(mask, tf.float32)[:, None]
        true = tf.one_hot(labels, num_classes)
        pseudo = tf.one_hot(pseudo_labels, num_classes)
        self.kept.assign_add(tf.matmul(true, pseudo * mask, transpose_a=True))
        self.seen.assign_add(tf.reduce_sum(true, 0))
        self.passed.assign_add(tf.reduce_sum(pseudo * mask, 0))
        self.unsure.assign_add(tf.reduce_sum(pseudo * (1.0 - mask), 0))
        if confidence is not None:
            bins = tf.cast(tf.cast(confidence, tf.float32) * self.num_bins, tf.int32)
            bins = tf.clip_by_value(bins, 0, self.num_bins - 1)
            bins = tf.one_hot(bins, self.num_bins)
            self.faces.assign_add(tf.matmul(pseudo, bins, transpose_a=True))
            self.right.assign_add(tf.matmul(pseudo * true, bins, transpose_a=True))

    def result(self) -> Any:
        kept = tf.convert_to_tensor(self.kept)
        passed = tf.reduce_sum(tf.convert_to_tensor(self.passed))
        unsure = tf.reduce_sum(tf.convert_to_tensor(self.unsure))
        return {
            "mask_rate": tf.math.divide_no_nan(passed, passed + unsure),
            "pseudo_label_accuracy": tf.math.divide_no_nan(
                tf.linalg.trace(kept), tf.reduce_sum(kept)
            ),
        }

    def per_class(self) -> dict:
        """Counts and rates per class, each float32 (num_classes,).

        Passed, unsure: how many faces were given the class with and without passing,
        the histogram of pseudo-labels and the sizes of Ada-CM's subsets I and II.
        True: how many faces were of the class, to hold that histogram against.
        Of the faces that passed: coverage, their share of all faces of a true class;
        precision, the share of those with a pseudo-label that have this true class;
        recall, the share of all faces of a true class that have it as pseudo-label.
        0/0 is 0; without any known class the four are NaN.
        """
        kept = tf.convert_to_tensor(self.kept)
        seen = tf.convert_to_tensor(self.seen)
        right = tf.linalg.diag_part(kept)
        unknown = tf.where(tf.reduce_sum(seen) > 0, 0.0, float("nan"))
        return {
            "passed": tf.convert_to_tensor(self.passed),
            "unsure": tf.convert_to_tensor(self.unsure),
            "true": seen + unknown,
            "coverage": tf.math.divide_no_nan(tf.reduce_sum(kept, 1), seen) + unknown,
            "precision": tf.math.divide_no_nan(right, tf.reduce_sum(kept, 0)) + unknown,
            "recall": tf.math.divide_no_nan(right, seen) + unknown,
        }

    def confidences(self) -> dict:
        """Histograms of confidence by pseudo-label, float32 (num_classes, num_bins).

        "faces": how many were given the class with a confidence in the bin; "right":
        how many of them are of it, NaN without any known class. The bins are those of
        `confidence_edges`; the last one includes 1.
        """
        unknown = tf.where(tf.reduce_sum(self.seen) > 0, 0.0, float("nan"))
        return {
            "faces": tf.convert_to_tensor(self.faces),
            "right": tf.convert_to_tensor(self.right) + unknown,
        }


def confidence_edges() -> list[float]:
    """The lower edges of the bins of `PseudoLabelQuality.confidences`.

    >>> confidence_edges()[:3]
    [0.0, 0.05, 0.1]
    """
    num_bins = PseudoLabelQuality.num_bins
    return [k / num_bins for k in range(num_bins)]
