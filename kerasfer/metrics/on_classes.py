"""Metrics of Keras that want a column a class, on class indices."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.types import Tensor

# What else Keras has takes class indices, by its name ("sparse_...") or "accuracy".
_WANT_COLUMNS = (
    keras.metrics.AUC,
    keras.metrics.CategoricalAccuracy,
    keras.metrics.CategoricalCrossentropy,
    keras.metrics.FBetaScore,
    keras.metrics.Precision,
    keras.metrics.Recall,
    keras.metrics.TopKCategoricalAccuracy,
)


def on_classes(metric: Any) -> Any:
    """A metric as `compile` of a scheme uses it.

    Args:
        metric: what `compile` takes. A `keras.metrics.F1Score`, `AUC`, `Precision`,
            `Recall`, `CategoricalAccuracy`, `TopKCategoricalAccuracy` or
            `CategoricalCrossentropy` is given a column a class where labels are class
            indices; all else stays as it is.

    >>> metric = on_classes(keras.metrics.TopKCategoricalAccuracy(2, name="top_2"))
    >>> metric.update_state([2], [[0.1, 0.6, 0.3]])
    >>> float(metric.result())
    1.0
    """
    return _OnClasses(metric) if isinstance(metric, _WANT_COLUMNS) else metric


class _OnClasses(keras.metrics.Metric):
    def __init__(self, metric):
        super().__init__(name=metric.name)
        self.metric = metric

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None):
        y_true = tf.convert_to_tensor(y_true)
        if y_true.dtype.is_integer:  # Keras 2.15 made them a column
            classes = tf.reshape(y_true, (-1,))
            y_true = tf.one_hot(classes, tf.shape(y_pred)[-1])
        y_true = tf.cast(y_true, tf.float32)
        self.metric.update_state(y_true, y_pred, sample_weight)

    def result(self):
        return self.metric.result()

    def reset_state(self):
        self.metric.reset_state()
