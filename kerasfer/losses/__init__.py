"""Losses as pure functions: unreduced, (batch,), and the means that reduce them."""

from kerasfer.losses.cross_entropy import cross_entropy, probability_error
from kerasfer.losses.margin import large_margin_loss, unit_distances
from kerasfer.losses.reductions import batch_mean, masked_mean

__all__ = [
    "batch_mean",
    "cross_entropy",
    "large_margin_loss",
    "masked_mean",
    "probability_error",
    "unit_distances",
]
