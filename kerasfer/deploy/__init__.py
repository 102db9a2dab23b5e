"""Shipping a classifier: exports, calibration, safe loading, predictions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["calibration", "export", "safe_loading"],
    submod_attrs={"predictor": ["Predictor", "load"]},
)
