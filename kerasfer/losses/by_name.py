"""Supervised losses by name, Keras' own ones included."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses.cross_entropy import cross_entropy, probability_error
from kerasfer.losses.few_and_noisy import (
    as_rows,
    class_balanced_cross_entropy,
    focal_loss,
    generalized_cross_entropy,
    logit_adjusted_cross_entropy,
    smoothed_cross_entropy,
)
from kerasfer.losses.hinge import squared_hinge
from kerasfer.losses.locality import locality_preserving
from kerasfer.losses.region_biased import region_biased
from kerasfer.types import Array, Tensor


def _squared_error(labels, outputs):
    return probability_error(as_rows(labels, outputs), outputs)


SUPERVISED_LOSSES = {
    "cross_entropy": cross_entropy,
    "focal": focal_loss,
    "class_balanced": class_balanced_cross_entropy,
    "logit_adjusted": logit_adjusted_cross_entropy,
    "label_smoothing": smoothed_cross_entropy,
    "generalized_cross_entropy": generalized_cross_entropy,
    "squared_error": _squared_error,
    "locality_preserving": locality_preserving,
    "squared_hinge": squared_hinge,
    "region_biased": region_biased,
}
_BY_COUNTS = ("class_balanced", "logit_adjusted")


def supervised_loss(
    loss: Any, class_counts: Sequence[int] | Array | None = None
) -> Callable[..., Tensor]:
    """A loss as the frame uses one: (labels, outputs) -> float (batch,).

    Args:
        loss: such a function, which is given back; a name in `SUPERVISED_LOSSES`; a
            `keras.losses.Loss`; or a name that `keras.losses.get` knows. One of Keras
            gets labels as rows, float (batch, num_classes), or as class indices if its
            name begins with "sparse", and probabilities, or logits if it has
            `from_logits=True`. Its reduction is not used: the frame takes the mean.
        class_counts: int (num_classes,), for "class_balanced" and "logit_adjusted".

    Raises:
        ValueError: an unknown name, or counts that are missing.

    >>> loss = supervised_loss(keras.losses.CategoricalCrossentropy(from_logits=True))
    >>> loss(tf.constant([1]), {"logits": tf.zeros((1, 2))})  # [log 2]
    """
    if isinstance(loss, str):
        if loss in SUPERVISED_LOSSES:
            return _by_name(loss, class_counts)
        try:
            return _of_keras(keras.losses.get(loss))
        except (ValueError, TypeError):
            raise ValueError(
                f"Unknown loss {loss!r}. Expected one of "
                f"{', '.join(SUPERVISED_LOSSES)}, or the name of one of Keras, such as "
                "categorical_hinge."
            ) from None
    if isinstance(loss, type) and issubclass(loss, keras.losses.Loss):
        loss = loss()
    if isinstance(loss, keras.losses.Loss):
        return _of_keras(loss)
    if getattr(loss, "__module__", "").startswith("keras."):
        return _of_keras(loss)  # a function (y_true, y_pred)
    if not callable(loss):
        raise ValueError(
            "`supervised_loss` must be a function (labels, outputs) -> (batch,), a "
            f"`keras.losses.Loss`, or a name. Received: {loss!r}."
        )
    return loss


def _by_name(name, class_counts):
    loss = SUPERVISED_LOSSES[name]
    if name not in _BY_COUNTS:
        return loss
    if class_counts is None:
        raise ValueError(
            f"The loss {name} needs `class_counts`, the labelled faces of each class: "
            f'supervised_loss("{name}", split.labeled.class_counts()).'
        )
    return functools.partial(loss, class_counts=class_counts)


def _of_keras(loss):
    """A `keras.losses.Loss`, or a function (y_true, y_pred) of Keras."""
    is_object = isinstance(loss, keras.losses.Loss)
    name = type(loss).__name__ if is_object else loss.__name__
    sparse = name.lower().startswith("sparse")
    logits = is_object and bool(_config(loss).get("from_logits"))

    def call(labels, outputs):
        labels = tf.convert_to_tensor(labels)
        if sparse and labels.dtype.is_floating:
            raise ValueError(
                f"{name} takes class indices, and here labels are rows of "
                "probabilities. Take its form for rows, such as CategoricalCrossentropy"
                " for SparseCategoricalCrossentropy."
            )
        if not sparse and not labels.dtype.is_floating:
            labels = tf.one_hot(labels, outputs["logits"].shape[-1])
        predicted = outputs["logits"]
        if not logits:
            predicted = outputs.get("probs", tf.nn.softmax(predicted))
        return (loss.call if is_object else loss)(labels, predicted)

    return call


def _config(loss):
    try:
        return loss.get_config()
    except NotImplementedError:
        return {}
