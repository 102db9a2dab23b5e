"""Weights that change over a run, as functions of the fraction of it that is done."""

from typing import Any

import tensorflow as tf

from kerasfer.types import Tensor

RAMP_IMAGES = 1024 * 1024  # of MixMatch and ReMixMatch, "warmup_kimg" 1024


def linear_ramp(progress: Tensor, length: float) -> Tensor:
    """Rises from 0 to 1 over the first `length` of a run, then stays.

    Args:
        progress: float scalar in [0, 1], the fraction of the run that is done.
        length: fraction of the run; 0 gives 1 throughout.

    Returns:
        float scalar in [0, 1].

    >>> float(linear_ramp(0.2, length=0.4))
    0.5
    """
    if length <= 0:
        return tf.ones(())
    return tf.clip_by_value(tf.cast(progress, tf.float32) / length, 0.0, 1.0)


def bounded_ramp(
    progress: Tensor, length: float, images_seen: Tensor, most_images: float
) -> Tensor:
    """As `linear_ramp`, but at its end after `most_images` images at the latest.

    >>> float(bounded_ramp(0.2, 0.8, images_seen=512.0, most_images=1024))
    0.5
    """
    return tf.maximum(
        linear_ramp(progress, length), linear_ramp(images_seen, most_images)
    )


def linear_decay(progress: Tensor, final: float) -> Tensor:
    """Falls (or rises) linearly from 1 to `final` over a run.

    Args:
        progress: float scalar in [0, 1], the fraction of the run that is done.
        final: factor at the end.

    Returns:
        float scalar.

    >>> float(linear_decay(0.5, final=0.0))
    0.5
    """
    return 1.0 + (final - 1.0) * tf.cast(progress, tf.float32)


def sigmoid_ramp(progress: Tensor, length: float) -> Tensor:
    """Rises as exp(-5 (1 - t)^2) from 0.0067 to 1 over the first `length` of a run.

    Arguments and result as for `linear_ramp`. Reference: Tarvainen and Valpola, "Mean
    teachers", NIPS 2017.

    >>> round(float(sigmoid_ramp(0.0, length=0.4)), 5)
    0.00674
    """
    return tf.exp(-5.0 * tf.square(1.0 - linear_ramp(progress, length)))


def tsa_threshold(progress: Tensor, num_classes: int, shape: str) -> Tensor:
    """Rises from 1/K to 1 over a run: the probability up to which a label is learned.

        eta = c (1 - 1/K) + 1/K,  c = t, exp(5 (t - 1)) or 1 - exp(-5 t)

    Args:
        progress: float scalar t in [0, 1].
        num_classes: K.
        shape: "linear", "exp" or "log".

    Returns:
        float scalar.

    Reference: Xie et al., "UDA", NeurIPS 2020, section 2.

    >>> float(tsa_threshold(0.5, 2, "linear"))
    0.75
    """
    share = TSA_SHAPES[shape](tf.cast(progress, tf.float32))
    return share * (1.0 - 1.0 / num_classes) + 1.0 / num_classes


TSA_SHAPES = {
    "linear": lambda t: t,
    "exp": lambda t: tf.exp(5.0 * (t - 1.0)),
    "log": lambda t: 1.0 - tf.exp(-5.0 * t),
}


def averaging_decay(step: Any, decay: float, warmup: bool) -> Tensor:
    """Decay of the averaged weights in a step: min(decay, (1 + t) / (10 + t)) if it
    warms up.

    Args:
        step: t, counted from 0; a float, or a tensor of them.
        decay: in [0, 1).
        warmup: bool.

    Returns:
        float32 tensor.

    >>> float(averaging_decay(0.0, 0.999, warmup=True))
    0.1...
    """
    decay = tf.constant(decay, tf.float32)
    return tf.minimum(decay, (1.0 + step) / (10.0 + step)) if warmup else decay


def share_of_start(steps: Tensor, decay: float, warmup: bool) -> float:
    """How much of an average is still the initial weights after some steps.

    The product of the decays of all steps; a float in [0, 1].

    >>> share_of_start(500, 0.999, warmup=False)  # 0.999^500
    0.606...
    """
    decays = averaging_decay(tf.range(steps, dtype=tf.float32), decay, warmup)
    return float(tf.reduce_prod(tf.broadcast_to(decays, [steps])))
