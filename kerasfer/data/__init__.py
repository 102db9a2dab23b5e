"""From a manifest of face images to the batches of a training step.

manifest.csv -> read_manifest -> protocols.split -> training_dataset -> model.fit
"""

from kerasfer.data import protocols, synthetic
from kerasfer.data.manifest import (
    Manifest,
    concatenate,
    for_action_units,
    from_arrays,
    read_manifest,
)
from kerasfer.data.pipeline import evaluation_dataset, training_dataset
from kerasfer.data.split_file import load_split, save_split

__all__ = [
    "Manifest",
    "concatenate",
    "evaluation_dataset",
    "for_action_units",
    "from_arrays",
    "load_split",
    "protocols",
    "read_manifest",
    "save_split",
    "synthetic",
    "training_dataset",
]
