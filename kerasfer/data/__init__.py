"""From a manifest of face images to the batches of a training step.

manifest.csv -> read_manifest -> protocols.split -> training_dataset -> model.fit

Names load on first use: processes that only make batches (`workers`) start without
TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
