"""Logits of a small batch by view, and counts of three unequal classes."""

import numpy as np

from support.toys import as_images

_RNG = np.random.default_rng(0)
LOGITS = {
    "image": _RNG.normal(size=(4, 3)),
    "weak": np.array([[3.7, 0, 0], [0, 2.4, 0], [0.8, 0, 0], [0, 0, 0.5]]),
    "strong": _RNG.normal(size=(4, 3)),
    "strong_2": _RNG.normal(size=(4, 3)),
}
BATCH = {name: as_images(values) for name, values in LOGITS.items()}
LABELS = np.array([2, 0, 1, 1], np.int32)
COUNTS = np.array([8, 4, 2])
