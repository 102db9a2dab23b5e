"""Losses as pure functions: unreduced, (batch,), and the means that reduce them."""

from kerasfer.losses.action_units import action_unit_cross_entropy, action_unit_error
from kerasfer.losses.by_name import SUPERVISED_LOSSES, supervised_loss
from kerasfer.losses.contrastive import info_nce
from kerasfer.losses.cross_entropy import cross_entropy, probability_error
from kerasfer.losses.discrepancy import gaussian_kernel, mean_discrepancy
from kerasfer.losses.few_and_noisy import (
    class_balanced_cross_entropy,
    focal_loss,
    generalized_cross_entropy,
    logit_adjusted_cross_entropy,
    smoothed_cross_entropy,
)
from kerasfer.losses.hinge import squared_hinge
from kerasfer.losses.locality import locality_preserving, locality_preserving_loss
from kerasfer.losses.margin import (
    center_loss,
    island_loss,
    island_penalty,
    large_margin_loss,
    unit_distances,
)
from kerasfer.losses.reductions import batch_mean, masked_mean
from kerasfer.losses.region_biased import region_biased, region_biased_loss
from kerasfer.losses.simplex import simplex_etf_penalty

__all__ = [
    "SUPERVISED_LOSSES",
    "action_unit_cross_entropy",
    "action_unit_error",
    "batch_mean",
    "center_loss",
    "class_balanced_cross_entropy",
    "cross_entropy",
    "focal_loss",
    "gaussian_kernel",
    "generalized_cross_entropy",
    "info_nce",
    "island_loss",
    "island_penalty",
    "large_margin_loss",
    "locality_preserving",
    "locality_preserving_loss",
    "logit_adjusted_cross_entropy",
    "masked_mean",
    "mean_discrepancy",
    "probability_error",
    "region_biased",
    "region_biased_loss",
    "simplex_etf_penalty",
    "smoothed_cross_entropy",
    "squared_hinge",
    "supervised_loss",
    "unit_distances",
]
