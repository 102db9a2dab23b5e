"""Semi-supervised facial expression and action unit recognition in Keras.

Submodules load on first use, so that `import kerasfer` costs nothing and a recipe can
answer `--help` without TensorFlow:

>>> import kerasfer
>>> classifier = kerasfer.build_classifier("compact", (48, 48, 3), num_classes=8)
"""

import sys

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# What a saved classifier names is registered with Keras when it is imported. Where
# Keras is loaded that costs nothing: `import keras, kerasfer`, then `load_model`.
if "keras" in sys.modules:
    for _name in ("layers", "metrics"):
        __getattr__(_name)
