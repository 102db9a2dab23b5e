"""DeFixMatch (Schmutz, Humbert and Mattei, ICLR 2023)."""

from typing import Any

import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.targets import hard_pseudo_labels
from kerasfer.training.checks import require_at_least
from kerasfer.training.fit import CLASSES
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Tensor


class DeFixMatch(SemiSupervisedModel):
    """FixMatch, less what its unlabelled loss would be on the labelled faces.

        U(w, s) = mean 1[max q >= tau] H(argmax q, p(s)),   q = p(w), a constant
        L = 1/2 mean [H(y, p(x)) + H(y, p(A(x)))] + lambda_u (U(u, A(u)) - U(x, A(x)))

    with A the strong view. Over draws of the labelled faces the two U have the same
    mean, so that L is an unbiased estimate of the supervised risk; it may be negative.
    With a hundred labels the second U is a noisy one.

    lambda_u 1/2 is that of the authors' code (USB). *Deviations*: one forward pass a
    view, as in `FixMatch`, and its strong view.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords; `loss_weights`
            are `supervised` 1 and `unlabeled` (lambda_u) 1/2.
        threshold: tau in [0, 1], inclusive; above 1 nothing passes. 0.95 is FixMatch's.

    >>> model = DeFixMatch(build_classifier("compact", (48, 48, 3), 7), threshold=0.9)
    """

    views = ("weak", "strong", "image_strong")
    draws_of_the_set = True
    # No plug-in that selects: the labelled faces' rule would not be the same one.
    offers = (CLASSES,)
    loss_weights = {"supervised": 1.0, "unlabeled": 0.5}

    def __init__(
        self, classifier: Classifier, threshold: float = 0.95, **kwargs: Any
    ) -> None:
        super().__init__(classifier, **kwargs)
        require_at_least(0, threshold=threshold)
        self.threshold = threshold

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "image_strong": self.forward(batch["image_strong"]),
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        pseudo, unlabeled = self._of_views(outputs["weak"], outputs["strong"])
        # The labelled guess is made as the other one, else their means would differ.
        guess = outputs["image"]
        if not self.weak_training:
            guess = self.forward_weak(batch["image"])
        _, of_labeled = self._of_views(guess, outputs["image_strong"])
        of_labels = [
            self.supervised_loss(labels, outputs[view])
            for view in ("image", "image_strong")
        ]
        losses = {
            "supervised": batch_mean(0.5 * tf.add_n(of_labels)),
            "unlabeled": unlabeled - of_labeled,
        }
        return Step(losses, labels, outputs, pseudo)

    def _of_views(self, weak, strong):
        """U, and the pseudo-labels that it learns."""
        probs = tf.stop_gradient(weak["probs"])
        labels, mask = hard_pseudo_labels(probs, self.threshold)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, strong["logits"])
        pseudo = Pseudo(labels, mask, tf.reduce_max(probs, -1))
        return pseudo, batch_mean(mask * loss)
