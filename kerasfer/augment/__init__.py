"""Weak and strong views of a face: pure functions of (uint8 image, seed)."""

from kerasfer.augment import ops
from kerasfer.augment.views import strong_view, weak_view

__all__ = ["ops", "strong_view", "weak_view"]
