"""Means over all replicas, for states."""

from kerasfer.losses.reductions import all_reduce_mean

__all__ = ["all_reduce_mean"]
