"""FlexMatch (Zhang et al., NeurIPS 2021)."""

from typing import Any

import tensorflow as tf

from kerasfer.layers import LabelMemory
from kerasfer.losses import batch_mean
from kerasfer.targets.pseudo_labels import hard_pseudo_labels
from kerasfer.training.checks import require_at_least
from kerasfer.training.fit import CLASSES, HARD_LABELS, SHIFTED_LOGITS
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.own_outputs import confidences
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor


class FlexMatch(SemiSupervisedModel):
    """FixMatch with a lower threshold for classes that are learned less.

        T_c = tau M(beta_c),  M(b) = b / (2 - b)
        beta_c = sigma_c / max(max_k sigma_k, number of faces never selected)
        L = mean H(y, p(x)) + lambda_u mean 1[max q >= T_c] H(c, p(A(u))),  c = argmax q

    with sigma_c the number of unlabelled faces whose last prediction above tau itself
    was class c, kept for every face in a `LabelMemory`. A face that was selected once
    keeps its last confident label.

    Until some class is selected, all thresholds are 0 and every face passes, as in the
    authors' code; its optional alignment of distributions is left out. A step uses the
    thresholds of the steps before it.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords; `loss_weights`
            are `supervised` 1 and `unlabeled` 1.
        num_unlabeled: how many unlabelled faces there are, `len(split.unlabeled)`.
        threshold: tau in [0, 1]; paper and code have 0.95, as here for faces.
        warm_up: whether the faces never selected count in beta; without, the classes
            are compared with the largest alone.

    Raises:
        ValueError: `num_unlabeled` is not positive.

    >>> model = FlexMatch(classifier, num_unlabeled=len(split.unlabeled))
    """

    views = ("weak", "strong", "index")
    offers = (CLASSES, HARD_LABELS, SHIFTED_LOGITS)
    loss_weights = {"supervised": 1.0, "unlabeled": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        num_unlabeled: int,
        threshold: float = 0.95,
        warm_up: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        require_at_least(0, threshold=threshold)
        self.threshold, self.warm_up = threshold, warm_up
        num_classes = self.classifier.output["probs"].shape[-1]
        self.memory = LabelMemory(num_unlabeled, num_classes, name="memory")

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        pseudo = self.pseudo_labels(outputs["weak"])
        guesses, confident = hard_pseudo_labels(
            confidences(outputs["weak"]), self.threshold
        )
        strong = tf.nn.sparse_softmax_cross_entropy_with_logits(
            pseudo.labels, self.adjust_logits(outputs["strong"]["logits"])
        )
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "unlabeled": batch_mean(pseudo.mask * strong),
        }
        updates = self.memory.remembering(batch["index"], guesses, confident)
        return Step(losses, labels, outputs, pseudo, updates)

    def thresholds(self) -> Tensor | float | None:
        """T_c of all classes, float32 (num_classes,)."""
        counts = tf.convert_to_tensor(self.memory.counts)
        most = tf.reduce_max(counts)
        if self.warm_up:
            most = tf.maximum(most, self.memory.size - tf.reduce_sum(counts))
        beta = tf.math.divide_no_nan(counts, most)
        return self.threshold * beta / (2.0 - beta)
