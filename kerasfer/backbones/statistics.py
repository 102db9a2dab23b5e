"""Statistics of batch normalisation from a user's own faces, the function kept."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasfer.types import Array


def estimate_statistics(model: Any, batches: Iterable[Array]) -> None:
    """Gives each batch normalisation the statistics of some faces, and the scale and
    shift with which it computes in inference mode what it did.

        m, v = mean and variance of its input over the faces
        gamma <- a sqrt(v + epsilon),  beta <- b + a m,  where it computed a x + b

    A network whose statistics were folded away (`load_dlib`) is another function in
    training mode, which divides by those of the batch, and diverges; after this both
    modes agree on faces like these. Labels are not needed.

    Args:
        model: functional, e.g. of `dlib_resnet`; its `BatchNormalization` layers.
        batches: iterable of normalised images, float (batch, height, width, channels);
            a few hundred faces.

    Raises:
        ValueError: no images, or a model without batch normalisation.

    >>> backbone = kerasfer.backbones.compact((48, 48, 3))
    >>> estimate_statistics(backbone, [tf.random.normal((8, 48, 48, 3))])
    """
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    if not norms:
        raise ValueError(f"{model.name} has no layer of batch normalisation.")
    inputs = keras.Model(model.input, [norm.input for norm in norms])
    count, sums, squares = 0, [0.0] * len(norms), [0.0] * len(norms)
    for images in batches:
        for k, values in enumerate(inputs(images, training=False)):
            values = np.asarray(tf.cast(values, tf.float32), np.float64)
            values = values.reshape(-1, values.shape[-1])
            sums[k] += values.mean(0) * len(images)
            squares[k] += np.square(values).mean(0) * len(images)
        count += len(images)
    if not count:
        raise ValueError("Expected a batch of images at least. Received none.")
    for norm, total, square in zip(norms, sums, squares, strict=True):
        mean = total / count
        _refold(norm, mean, np.maximum(square / count - mean**2, 0.0))


def _refold(norm, mean, variance):
    gamma, beta, old_mean, old_variance = (
        np.asarray(tf.convert_to_tensor(v), np.float64)
        for v in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    slope = gamma / np.sqrt(old_variance + norm.epsilon)
    norm.gamma.assign((slope * np.sqrt(variance + norm.epsilon)).astype("float32"))
    norm.beta.assign((beta + slope * (mean - old_mean)).astype("float32"))
    norm.moving_mean.assign(mean.astype("float32"))
    norm.moving_variance.assign(variance.astype("float32"))
