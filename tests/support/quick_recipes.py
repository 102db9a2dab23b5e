"""A config of seconds for recipes, and a split of noise."""

import numpy as np

from kerasfer.data import from_arrays, protocols
from support.recipe_runs import TINY_BACKBONE

QUICK = f"""
seeds: [0, 1]
protocol: balanced:labels=12
epochs: 2
steps_per_epoch: 2
batch_size: 4
image_size: 16
backbone: {TINY_BACKBONE}
beside: [supervised]
"""


def split_of(num_classes=7):
    """What a recipe asks of a split to build its model."""
    labeled = from_arrays(
        np.zeros((num_classes, 4, 4, 3), np.uint8), np.arange(num_classes)
    )
    return protocols.Split(labeled, labeled, labeled, labeled)
