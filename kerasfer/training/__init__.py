"""The frame: what schemes and plug-ins share, and what a scheme of your own needs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "fit": ["CLASSES", "HARD_LABELS", "SHIFTED_LOGITS", "check_fit"],
        "mixed_forward": ["Mixed", "mixed_forward"],
        "own_outputs": ["confidences"],
        "reductions": ["all_reduce_mean"],
        "state": ["add_state"],
        "epoch_update": ["EpochUpdate"],
        "model": ["SemiSupervisedModel"],
        "non_finite": ["StopOnNonFiniteLoss"],
        "plug_in": ["PlugIn"],
        "step": ["Pseudo", "Step"],
    },
)
