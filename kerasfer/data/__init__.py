"""From a manifest of face images to the batches of a training step.

manifest.csv -> read_manifest -> protocols.split -> training_dataset -> model.fit

Names load on first use: processes that only make batches (`workers`) start without
TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["protocols", "synthetic"],
    submod_attrs={
        "distilled": ["with_distilled"],
        "distributed": ["distributed_training_dataset"],
        "folding": ["folds", "is_folded"],
        "manifest": ["Manifest", "concatenate", "for_action_units", "from_arrays"],
        "manifest_file": ["read_manifest"],
        "pipeline": ["evaluation_dataset", "training_dataset"],
        "split_file": ["check_split", "load_split", "save_split"],
    },
)
