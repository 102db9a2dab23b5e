"""Omni-supervision: reliable faces of a sea, and images distilled from them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["distillation"],
    submod_attrs={
        "selection": [
            "calibrated_delta",
            "class_centroids",
            "cosine_margins",
            "select",
        ],
    },
)
