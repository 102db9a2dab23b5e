"""FixMatch (Sohn et al., NeurIPS 2020)."""

from typing import Any

import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.training.checks import require_at_least
from kerasfer.training.fit import CLASSES, HARD_LABELS, SHIFTED_LOGITS
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor


class FixMatch(SemiSupervisedModel):
    """Confident labels of the weak view are learned on the strong view.

        L = (1/B) sum_b H(y_b, p(x_b))
          + lambda_u (1/U) sum_b 1[max q_b >= tau] H(argmax q_b, p(A(u_b)))

    with q_b = p(alpha(u_b)), no gradient through q, and masked faces counting as zero.

    Deviations from the paper's code: three forward passes, one a view, instead of a
    concatenated one, so each view has its own batch statistics and all three move the
    running ones (as Ada-CM and ReMoP do); the strong view is RandAugment(3, 5) with
    Cutout instead of CTAugment; optimizer and weight decay are the caller's.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords; `loss_weights`
            are `supervised` 1 and `unlabeled` (lambda_u) 1.
        threshold: tau in [0, 1], inclusive; above 1 the scheme is supervised. 0.95 is
            the paper's.

    >>> classifier = build_classifier("compact", (48, 48, 3), num_classes=8)
    >>> model = FixMatch(classifier, threshold=0.9, loss_weights={"unlabeled": 0.5})
    """

    views = ("weak", "strong")
    offers = (CLASSES, HARD_LABELS, SHIFTED_LOGITS)
    loss_weights = {"supervised": 1.0, "unlabeled": 1.0}

    def __init__(
        self, classifier: Classifier, threshold: float = 0.95, **kwargs: Any
    ) -> None:
        super().__init__(classifier, **kwargs)
        require_at_least(0, threshold=threshold)
        self.threshold = threshold

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        pseudo = self.pseudo_labels(outputs["weak"])
        strong = tf.nn.sparse_softmax_cross_entropy_with_logits(
            pseudo.labels, self.adjust_logits(outputs["strong"]["logits"])
        )
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "unlabeled": batch_mean(pseudo.mask * strong),  # Eq. 4: over all faces
        }
        return Step(losses, labels, outputs, pseudo)
