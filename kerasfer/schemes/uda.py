"""UDA (Xie et al., NeurIPS 2020)."""

from typing import Any

import tensorflow as tf

from kerasfer.losses import batch_mean, masked_mean
from kerasfer.schedules import TSA_SHAPES, tsa_threshold
from kerasfer.targets.pseudo_labels import sharpen
from kerasfer.training.checks import require_above, require_at_least
from kerasfer.training.conventions import choose_preset
from kerasfer.training.fit import CLASSES, HARD_LABELS, SHIFTED_LOGITS
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor

PRESETS = {
    "fer": {"temperature": 0.4, "threshold": 0.8, "loss_weights": {}},
    # Of FixMatch's comparison, for its setting.
    "fixmatch": {"temperature": 1.0, "threshold": 0.95, "loss_weights": {}},
}
PRESETS["paper"] = PRESETS["fer"]


class UDA(SemiSupervisedModel):
    """The strong view is to be predicted as the weak one is, sharpened.

        q = softmax(z(u) / T);  m = 1[max softmax(z(u)) >= tau], not sharpened
        L = mean H(y, p(x)) + lambda_u mean m KL(q || p(A(u)))

    With training signal annealing (TSA), labelled faces whose true class has already
    more than eta(t) are left out of the first mean, which divides by the number kept.

    Presets: "fer" and "paper" are the authors' for CIFAR-10 (T 0.4, tau 0.8, no TSA);
    "fixmatch" is T 1, tau 0.95 of FixMatch's comparison.

    *Deviations*: the mask is inclusive (>=); the augmentation is RandAugment(3, 5).

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords.
        preset: "fer", "paper" or "fixmatch"; None below takes its value.
        temperature: T > 0.
        threshold: tau in [0, 1].
        tsa: None, "linear", "exp" or "log": how eta rises from 1/K to 1 over the run.

    Raises:
        ValueError: another preset or shape, or T is not positive.

    >>> model = UDA(build_classifier("compact", (48, 48, 3), 7), tsa="linear")
    """

    views = ("weak", "strong")
    offers = (CLASSES, HARD_LABELS, SHIFTED_LOGITS)
    loss_weights = {"supervised": 1.0, "unlabeled": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        preset: str = "fer",
        temperature: float | None = None,
        threshold: float | None = None,
        tsa: str | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = choose_preset(
            preset,
            PRESETS,
            temperature=temperature,
            threshold=threshold,
        )
        super().__init__(classifier, preset_weights=chosen["loss_weights"], **kwargs)
        require_above(0, temperature=chosen["temperature"])
        require_at_least(0, threshold=chosen["threshold"])
        if tsa not in (None, *TSA_SHAPES):
            raise ValueError(
                f"`tsa` must be None or one of {', '.join(TSA_SHAPES)}. Received: "
                f"{tsa!r}."
            )
        self.temperature, self.threshold = chosen["temperature"], chosen["threshold"]
        self.tsa = tsa

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        pseudo = self.pseudo_labels(outputs["weak"])
        q = tf.stop_gradient(sharpen(outputs["weak"]["probs"], self.temperature))
        log_p = tf.nn.log_softmax(self.adjust_logits(outputs["strong"]["logits"]))
        divergence = tf.reduce_sum(tf.math.xlogy(q, q) - q * log_p, -1)
        losses = {
            "supervised": self._supervised(labels, outputs["image"]),
            "unlabeled": batch_mean(pseudo.mask * divergence),
        }
        return Step(losses, labels, outputs, pseudo)

    def _supervised(self, labels, outputs):
        loss = self.supervised_loss(labels, outputs)
        if self.tsa is None:
            return batch_mean(loss)
        probs = tf.nn.softmax(outputs["logits"])
        eta = tsa_threshold(self.progress(), probs.shape[-1], self.tsa)
        of_true_class = tf.gather(probs, labels, batch_dims=1)
        return masked_mean(loss, tf.cast(of_true_class <= eta, tf.float32))
