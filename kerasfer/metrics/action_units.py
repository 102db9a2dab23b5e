"""Metrics of action units: classes that do not exclude each other."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasfer.action_units import REDUCED_SET
from kerasfer.metrics.counting import CountingMetric
from kerasfer.types import Array, Tensor

_PRESENT = 0.5  # of an annotated intensity: from here on the unit is there
NOT_ANNOTATED = -1.0


@keras.saving.register_keras_serializable("kerasfer")
class PerAUF1(CountingMetric):
    """F1 = 2 TP / (2 TP + FP + FN) of each action unit, and its means over units.

    `result()` is a dict of scalars: `f1_<name>` for each unit; `f1`, the mean over all;
    `f1_small`, the mean over the paper's reduced set {1, 4, 5, 6, 12, 25, 26}, if all
    seven are among `names`. F1 of a unit that is neither present nor predicted is 0/0:
    it is NaN, and left out of the means (as scikit-learn's `f1_score` with
    `zero_division=nan`). The means are 0 without any data.

    `update_state(y_true, y_pred)` takes annotations (batch, num_aus), intensities in
    [0, 1] of which 0.5 and more is present, `mask_value` where not annotated; and
    scores (batch, num_aus).

    Source: Racoviteanu et al., BMVC 2019, Eq. 8, whose text does not give a threshold.

    Args:
        num_aus: number of units.
        names: one per unit; None calls them "AU_0", "AU_1", ...
        threshold: score from which on (inclusive) a unit is predicted; one for all or
            one per unit, e.g. of `fitted_thresholds`.
        mask_value: annotation that means "not annotated".

    Raises:
        ValueError: another number of names or thresholds than units.

    >>> metric = PerAUF1(2, names=("AU1", "AU12"))
    >>> metric.update_state([[1.0, 0.8], [0.0, -1.0]], [[0.9, 0.2], [0.7, 0.9]])
    >>> metric.result()  # f1_AU1 2/3, f1_AU12 0, f1 1/3
    """

    def __init__(
        self,
        num_aus: int,
        names: Sequence[str] | None = None,
        threshold: float = 0.5,
        mask_value: float = NOT_ANNOTATED,
        name: str = "per_au_f1",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.num_aus, self.mask_value = num_aus, mask_value
        self.names = tuple(names or (f"AU_{m}" for m in range(num_aus)))
        self.threshold = np.asarray(threshold, np.float32).tolist()
        shape = np.shape(threshold)
        if len(self.names) != num_aus or shape not in ((), (num_aus,)):
            raise ValueError(
                f"Expected {num_aus} names, and one threshold or {num_aus}. Received: "
                f"{len(self.names)} names, threshold of shape {shape}."
            )
        # Under names that no class has as an attribute, else Keras 2.15 loses them.
        self.hits = self.counts_of("hits", (num_aus,))
        self.present = self.counts_of("present", (num_aus,))
        self.predicted = self.counts_of("predicted", (num_aus,))

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None
    ) -> None:
        y_true = tf.cast(y_true, tf.float32)
        annotated = tf.cast(y_true != self.mask_value, tf.float32)
        if sample_weight is not None:
            annotated *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1, 1])
        present = annotated * tf.cast(y_true >= _PRESENT, tf.float32)
        predicted = tf.cast(y_pred, tf.float32) >= tf.constant(self.threshold)
        predicted = annotated * tf.cast(predicted, tf.float32)
        both = present * tf.cast(predicted > 0, tf.float32)
        self.hits.assign_add(tf.reduce_sum(both, 0))
        self.present.assign_add(tf.reduce_sum(present, 0))
        self.predicted.assign_add(tf.reduce_sum(predicted, 0))

    def result(self) -> Any:
        either = tf.convert_to_tensor(self.present) + self.predicted
        defined = tf.cast(either > 0, tf.float32)
        scores = tf.math.divide_no_nan(2.0 * tf.convert_to_tensor(self.hits), either)
        shown = tf.where(defined > 0, scores, float("nan"))
        result = {f"f1_{name}": shown[m] for m, name in enumerate(self.names)}
        result["f1"] = _mean_of(scores, defined)
        if set(REDUCED_SET) <= set(self.names):
            rows = [self.names.index(name) for name in REDUCED_SET]
            result["f1_small"] = _mean_of(
                tf.gather(scores, rows), tf.gather(defined, rows)
            )
        return result

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_aus": self.num_aus,
            "names": self.names,
            "threshold": self.threshold,
            "mask_value": self.mask_value,
        }


def fitted_thresholds(
    y_true: Tensor,
    y_pred: Tensor,
    default: float = 0.5,
    mask_value: float = NOT_ANNOTATED,
) -> Array:
    """The threshold of each action unit with the largest F1, on validation data.

    Among equally good ones the highest; halfway to the next lower score, so that a
    score a little below still counts. A unit that is never or always present keeps the
    default: every threshold, or none, would do. One that rests on a handful of faces is
    an accident of theirs: see `rarely_present`.

    Args:
        y_true, y_pred, mask_value: arrays (n, num_aus), as for `PerAUF1`.
        default: threshold where nothing can be fitted.

    Returns:
        float32 array (num_aus,).

    >>> fitted_thresholds([[1.0], [0.0]], [[0.4], [0.2]])
    array([0.3], dtype=float32)
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    thresholds = np.full(y_true.shape[1], default, np.float32)
    for m in range(len(thresholds)):
        annotated = y_true[:, m] != mask_value
        present = y_true[annotated, m] >= _PRESENT
        if present.any() and not present.all():
            thresholds[m] = _best_threshold(present, y_pred[annotated, m])
    return thresholds


def rarely_present(
    y_true: Tensor, fewest: int = 10, mask_value: float = NOT_ANNOTATED
) -> dict[int, int]:
    """Action units that too few faces show, or lack, to fit a threshold on.

    Args:
        y_true, mask_value: array (n, num_aus), as for `PerAUF1`.
        fewest: faces of each kind that are enough.

    Returns:
        index of a unit -> faces of its rarer kind.

    >>> rarely_present([[1.0, 1.0], [0.0, 0.0], [0.0, -1.0]], fewest=2)
    {0: 1, 1: 1}
    """
    y_true = np.asarray(y_true)
    annotated = y_true != mask_value
    present = (annotated & (y_true >= _PRESENT)).sum(0)
    rarer = np.minimum(present, annotated.sum(0) - present)
    return {m: int(count) for m, count in enumerate(rarer) if count < fewest}


def _best_threshold(present, scores):
    from sklearn.metrics import precision_recall_curve  # takes a second to import

    precision, recall, candidates = precision_recall_curve(present, scores)
    precision, recall = precision[:-1], recall[:-1]  # the last predicts nothing
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = candidates[f1 >= f1.max() - 1e-12].max()
    lower = scores[scores < best]
    return (best + lower.max()) / 2 if len(lower) else best


def _mean_of(scores, defined):
    return tf.math.divide_no_nan(
        tf.reduce_sum(scores * defined), tf.reduce_sum(defined)
    )
