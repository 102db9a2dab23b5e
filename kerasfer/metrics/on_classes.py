"""Metrics of Keras that want a column a class, on class indices."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.types import Tensor

# By these names Keras itself picks what fits class indices.
_PICKED_BY_KERAS = ("accuracy", "acc", "crossentropy", "ce")
# Of numbers, or of predicted classes in the place of probabilities.
_OTHERS = ("Mean", "Sum", "Accuracy", "IoU", "MeanIoU")


def all_on_classes(metrics: Any) -> list:
    """What `compile` was given, each as `on_classes` makes it.

    Raises:
        ValueError: a dict; a scheme has one output.
    """
    if isinstance(metrics, dict):
        raise ValueError(
            "Expected a list of metrics, of the one output `probs`. Received a dict."
        )
    return [on_classes(metric) for metric in metrics or ()]


def on_classes(metric: Any) -> Any:
    """A metric as `compile` of a scheme uses it.

    Args:
        metric: what `compile` takes. Metrics of Keras that want a column a class, such
            as `F1Score`, `AUC`, `Precision`, `TopKCategoricalAccuracy`, `KLDivergence`,
            given as objects, functions or names, get one where labels are class
            indices. "accuracy", "sparse_..." and metrics of other classes stay.

    >>> metric = on_classes(keras.metrics.TopKCategoricalAccuracy(2, name="top_2"))
    >>> metric.update_state([2], [[0.1, 0.6, 0.3]])
    >>> float(metric.result())
    1.0
    """
    if isinstance(metric, str):
        if metric in _PICKED_BY_KERAS or metric.startswith("sparse"):
            return metric
        metric = keras.metrics.get(metric)
    is_object = isinstance(metric, keras.metrics.Metric)
    if not is_object and _is_of_keras(metric):
        name = metric.__name__
        if name.startswith("sparse"):
            return metric
        metric, is_object = keras.metrics.MeanMetricWrapper(metric, name=name), True
    if not is_object or not _wants_columns(metric):
        return metric
    return _OnClasses(metric)


def _wants_columns(metric):
    known = [kind for kind in type(metric).__mro__ if _is_of_keras(kind)]
    names = {kind.__name__ for kind in known[:1]}
    sparse = any(name.startswith("Sparse") for name in names)
    plain = names & {*_OTHERS, "Metric"}
    return bool(known) and not sparse and not plain


def _is_of_keras(part):
    return getattr(part, "__module__", "").split(".")[0] == "keras"


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
