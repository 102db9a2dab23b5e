"""Pseudo-Label (Lee, ICML workshop 2013)."""

from typing import Any

import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.schedules import linear_ramp
from kerasfer.training.checks import require_at_least, require_within
from kerasfer.training.conventions import choose_preset
from kerasfer.training.fit import CLASSES, HARD_LABELS, SHIFTED_LOGITS
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor

PRESETS = {
    "fer": {"threshold": 0.95, "ramp": 0.4, "loss_weights": {}},
    "paper": {"threshold": 0.0, "ramp": 0.4, "loss_weights": {"unlabeled": 3.0}},
}


class PseudoLabel(SemiSupervisedModel):
    """Confident predictions are learned on the very view that made them.

        L = mean H(y, p(x)) + lambda_u r(t) mean 1[max p(u) >= tau] H(argmax p(u), p(u))

    with r(t) a linear ramp, the mean over all unlabelled faces of the batch, masked
    ones counting as zero. (Two public codes multiply a mask of shape (B, 1) with losses
    of shape (B,), which trains on all faces.)

    Presets: "fer" is the thresholded form of the semi-supervised literature; "paper"
    has no threshold and lambda_u 3, on a linear ramp from the start of the run instead
    of between two chosen epochs.

    *Deviation*: both forward passes move the running batch statistics.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords.
        preset: "fer" or "paper"; None below takes its value.
        threshold: tau in [0, 1], inclusive.
        ramp: fraction of the run over which lambda_u rises from 0.

    Raises:
        ValueError: another preset.

    >>> model = PseudoLabel(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("weak",)
    offers = (CLASSES, HARD_LABELS, SHIFTED_LOGITS)
    loss_weights = {"supervised": 1.0, "unlabeled": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        preset: str = "fer",
        threshold: float | None = None,
        ramp: float | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = choose_preset(preset, PRESETS, threshold=threshold, ramp=ramp)
        super().__init__(classifier, preset_weights=chosen["loss_weights"], **kwargs)
        require_at_least(0, threshold=chosen["threshold"])
        require_within(0, 1, ramp=chosen["ramp"])
        self.threshold, self.ramp = chosen["threshold"], chosen["ramp"]

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
        }
        pseudo = self.pseudo_labels(outputs["weak"])
        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
            pseudo.labels, self.adjust_logits(outputs["weak"]["logits"])
        )
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "unlabeled": linear_ramp(self.progress(), self.ramp)
            * batch_mean(pseudo.mask * cross_entropy),
        }
        return Step(losses, labels, outputs, pseudo)
