"""Flags of the stages, and which of them a training depends on."""

import dataclasses
import pathlib
from typing import Literal

import kerasfer
from kerasfer.experiments.flags import require_above_0, require_at_least, require_within


@dataclasses.dataclass(frozen=True)
class Omni:
    primitive: pathlib.Path | None = None
    """A classifier.keras of your own instead of the baseline's."""
    selected: pathlib.Path | None = None
    """A selected.csv of your own (path, label) instead of the selection."""
    distilled: pathlib.Path | None = None
    """A distilled.npz of your own instead of the distillation."""
    delta: float | None = None
    """Smallest cosine margin; None calibrates it to keep-fraction."""
    keep_fraction: float = 0.1
    """Of the sea that is kept; the paper keeps 0.0237 of 5.8 million."""
    most_per_class: int | None = None
    """Keeps so many of each class at most, of the largest margins."""
    anchor: pathlib.Path | None = None
    """A manifest of its own for the primitive learner, the selection and the
    distillation; None is the labelled faces."""
    start: Literal["pretrained", "primitive", "primitive_body"] = "pretrained"
    """Weights that the final training starts from: as the baseline; the primitive
    learner; or it with a new head."""
    distill_weights: Literal["pretrained_random_head", "fixed", "random"] | None = None
    """Networks that the images are distilled for; None: such as `start` begins with."""
    distill_batch_statistics: bool = True
    """Whether a distilled step normalises by its own images' statistics, as training
    does, or by the running ones."""
    learned_steps: bool = False
    """Whether DAS begins with steps on the distilled images alone, at the step sizes
    learned with them."""
    distilled_share: float | None = None
    """Of a labelled batch that distilled images are; None is n / (N + n)."""
    distill_networks: int = 1
    """Drawn for each outer step."""
    distill_steps: int = 1
    """Inner steps, each with images of its own."""
    distill_passes: int = 3
    """Times that the inner steps go through their images."""
    distill_epochs: int = 60
    """Outer epochs; images are kept every sixth of them."""
    distill_steps_per_epoch: int = 10
    """Outer steps of an epoch; 0 is one pass over the faces."""
    distill_batch: int = 64
    """Real faces an outer step."""
    distill_rate: float = 0.01
    """Of the outer Adam, with beta_1 = 0.5."""
    distill_halved_every: int = 40
    """Outer epochs after which that rate is halved, again and again; 0 is never."""
    step_size: float = 0.02
    """Inner step sizes at first."""

    def __post_init__(self):
        require_within(self, 1e-6, 1, "keep_fraction")
        require_above_0(self, "distill_rate", "step_size")
        require_at_least(self, 0, "distill_halved_every", "distill_steps_per_epoch")
        names = ("networks", "steps", "passes", "batch")
        require_at_least(self, 1, *(f"distill_{name}" for name in names))
        require_at_least(self, 6, "distill_epochs")
        if self.delta is not None:
            require_within(self, 0, 2, "delta")
        if self.distilled_share is not None:
            require_within(self, 1e-6, 1 - 1e-6, "distilled_share")
        if self.most_per_class is not None:
            require_at_least(self, 1, "most_per_class")


SELECTION = (
    "anchor", "primitive", "selected", "delta", "keep_fraction", "most_per_class",
)  # fmt: skip


def config_of(config, method):
    """The config of one training: without the stages that it does not depend on."""
    omni = config.omni
    if method.startswith("das"):
        return config
    kept = () if method == "baseline" else (*SELECTION, "start")
    settings = {name: getattr(omni, name) for name in kept}
    return dataclasses.replace(config, omni=Omni(**settings))


def anchor_of(config):
    """The config whose labelled faces are the anchor."""
    if config.omni.anchor is None:
        return config
    faces = dataclasses.replace(
        config.faces, manifest=config.omni.anchor, protocol="all", split=None, test=()
    )
    return dataclasses.replace(config, faces=faces)


def stages_of(config, folder):
    """Of a run: beside it; of an anchor of its own one for all folds."""
    folded = kerasfer.data.is_folded(config.faces.protocol)
    return folder.parent.parent if config.omni.anchor and folded else folder.parent
