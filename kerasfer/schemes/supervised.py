"""Supervised training, the floor that every scheme must beat."""

from kerasfer.losses import batch_mean
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Tensor


class Supervised(SemiSupervisedModel):
    """Cross-entropy on the labelled faces alone.

        L = (1/B) sum_b H(y_b, p(x_b))

    Arguments: see `SemiSupervisedModel`. Labels of action units need a
    `supervised_loss` for them.

    >>> classifier = build_classifier("compact", (48, 48, 3), num_classes=8)
    >>> model = Supervised(classifier)
    """

    loss_weights = {"supervised": 1.0}

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {"image": self.forward(batch["image"])}
        loss = batch_mean(self.supervised_loss(labels, outputs["image"]))
        return Step({"supervised": loss}, labels, outputs)
