"""Weak and strong views of a face: pure functions of (uint8 image, seed)."""

from kerasfer.augment import ops
from kerasfer.augment.own_view import OwnView, check_view
from kerasfer.augment.views import strong_view, weak_view

__all__ = ["OwnView", "check_view", "ops", "strong_view", "weak_view"]
