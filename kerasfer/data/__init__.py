"""From a manifest of face images to the batches of a training step.

manifest.csv -> read_manifest -> protocols.split -> training_dataset -> model.fit
"""

from kerasfer.data import protocols, synthetic
from kerasfer.data.distilled import with_distilled
from kerasfer.data.distributed import distributed_training_dataset
from kerasfer.data.folds import folds, is_folded
from kerasfer.data.manifest import (
    Manifest,
    concatenate,
    for_action_units,
    from_arrays,
)
from kerasfer.data.manifest_file import read_manifest
from kerasfer.data.pipeline import evaluation_dataset, training_dataset
from kerasfer.data.split_file import load_split, save_split

__all__ = [
    "Manifest",
    "concatenate",
    "distributed_training_dataset",
    "evaluation_dataset",
    "folds",
    "for_action_units",
    "from_arrays",
    "is_folded",
    "load_split",
    "protocols",
    "read_manifest",
    "save_split",
    "synthetic",
    "training_dataset",
    "with_distilled",
]
