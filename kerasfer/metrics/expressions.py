"""Metrics of expressions: classes that exclude each other."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.metrics.counting import CountingMetric
from kerasfer.types import Tensor


@keras.saving.register_keras_serializable("kerasfer")
class ConfusionMatrix(CountingMetric):
    """Counts of (true class, predicted class).

    `result()` is float32 (num_classes, num_classes), rows true, columns predicted, as
    in scikit-learn. A matrix does not fit a progress bar: call it on its own, and give
    `MeanClassAccuracy` to `compile`.

    `update_state(y_true, y_pred)` takes int (batch,) or (batch, 1) true classes, of
    which -1 (unknown) is left out, and scores (batch, num_classes), of which the argmax
    counts.

    Args:
        num_classes: of the problem, absent ones included.

    >>> matrix = ConfusionMatrix(2)
    >>> matrix.update_state([0, 1], [[0.9, 0.1], [0.6, 0.4]])
    >>> matrix.result()  # [[1, 0], [1, 0]]
    """

    def __init__(
        self, num_classes: int, name: str = "confusion_matrix", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.counts = self.counts_of("counts", (num_classes, num_classes))

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None
    ) -> None:
        y_true = tf.reshape(tf.cast(y_true, tf.int32), [-1])
        y_pred = tf.argmax(y_pred, -1, output_type=tf.int32)
        weights = tf.ones_like(y_true, tf.float32)
        if sample_weight is not None:
            weights = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
        # one_hot of -1 is a row of zeros.
        rows = tf.one_hot(y_true, self.num_classes) * weights[:, None]
        columns = tf.one_hot(y_pred, self.num_classes)
        self.counts.assign_add(tf.matmul(rows, columns, transpose_a=True))

    def result(self) -> Any:
        return tf.convert_to_tensor(self.counts)

    def get_config(self) -> dict:
        return {**super().get_config(), "num_classes": self.num_classes}


class UnloggedConfusionMatrix(ConfusionMatrix):
    """A `ConfusionMatrix` that a model keeps for its callbacks: nothing in the logs.

    >>> matrix = UnloggedConfusionMatrix(2)
    >>> matrix.result(), matrix.counts.shape
    ({}, TensorShape([2, 2]))
    """

    def result(self) -> Any:
        return {}


@keras.saving.register_keras_serializable("kerasfer")
class MeanClassAccuracy(ConfusionMatrix):
    """Mean over classes of the accuracy within the class (balanced accuracy, UAR).

    A class absent from the data is left out of the mean, so the number then speaks of
    fewer classes; without any data it is 0. Equals scikit-learn's
    `balanced_accuracy_score`. Arguments and inputs as for `ConfusionMatrix`.

    >>> metric = MeanClassAccuracy(3)
    >>> metric.update_state([0, 0, 0, 1], [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]])
    >>> round(float(metric.result()), 4)  # (2/3 + 1) / 2; nobody is of class 2
    0.8333
    """

    def __init__(
        self, num_classes: int, name: str = "mean_class_accuracy", **kwargs: Any
    ) -> None:
        super().__init__(num_classes, name=name, **kwargs)

    def result(self) -> Any:
        return _mean_class_accuracy(tf.convert_to_tensor(self.counts))


@keras.saving.register_keras_serializable("kerasfer")
class MacroF1(ConfusionMatrix):
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN).

    A class that is neither present nor predicted is left out of the mean; without any
    data it is 0. Equals scikit-learn's `f1_score(average="macro")`. Arguments and
    inputs as for `ConfusionMatrix`.

    >>> metric = MacroF1(3)
    >>> metric.update_state([0, 1], [[1, 0, 0], [1, 0, 0]])
    >>> round(float(metric.result()), 4)  # (2/3 + 0) / 2
    0.3333
    """

    def __init__(self, num_classes: int, name: str = "macro_f1", **kwargs: Any) -> None:
        super().__init__(num_classes, name=name, **kwargs)

    def result(self) -> Any:
        return _macro_f1(tf.convert_to_tensor(self.counts))


@keras.saving.register_keras_serializable("kerasfer")
class PredictionScores(ConfusionMatrix):
    """Accuracy, mean class accuracy and macro F1 of one of several predictions.

    `result()` is a dict of scalars: `<name>_accuracy`, `<name>_mean_class_accuracy` and
    `<name>_f1`. Arguments and inputs as for `ConfusionMatrix`.

    >>> metric = PredictionScores(2, name="feature")
    >>> metric.update_state([0, 1], [[1, 0], [1, 0]])
    >>> metric.result()  # feature_accuracy 0.5, feature_mean_class_accuracy 0.5, ...
    """

    def __init__(
        self, num_classes: int, name: str = "prediction", **kwargs: Any
    ) -> None:
        super().__init__(num_classes, name=name, **kwargs)

    def result(self) -> Any:
        counts = tf.convert_to_tensor(self.counts)
        right, total = tf.linalg.trace(counts), tf.reduce_sum(counts)
        return {
            f"{self.name}_accuracy": tf.math.divide_no_nan(right, total),
            f"{self.name}_mean_class_accuracy": _mean_class_accuracy(counts),
            f"{self.name}_f1": _macro_f1(counts),
        }


def _mean_class_accuracy(counts):
    present = tf.reduce_sum(counts, -1)
    accuracies = tf.math.divide_no_nan(tf.linalg.diag_part(counts), present)
    num_present = tf.reduce_sum(tf.cast(present > 0, tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(accuracies), num_present)


def _macro_f1(counts):
    doubled = 2.0 * tf.linalg.diag_part(counts)
    either = tf.reduce_sum(counts, 0) + tf.reduce_sum(counts, 1)
    num_either = tf.reduce_sum(tf.cast(either > 0, tf.float32))
    scores = tf.math.divide_no_nan(doubled, either)
    return tf.math.divide_no_nan(tf.reduce_sum(scores), num_either)
