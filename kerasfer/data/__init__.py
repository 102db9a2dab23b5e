"""From a manifest of face images to the batches of a training step.

    manifest.csv -> read_manifest -> protocols.split -> training_dataset -> model.fit
"""

from kerasfer.data import protocols
from kerasfer.data.manifest import Manifest, from_arrays, read_manifest
from kerasfer.data.pipeline import evaluation_dataset, training_dataset

__all__ = [
    "Manifest",
    "evaluation_dataset",
    "from_arrays",
    "protocols",
    "read_manifest",
    "training_dataset",
]
