"""InPL: pseudo-labelling the inliers first (Yu et al., ICLR 2023)."""

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.losses.reductions import all_reduce_mean
from kerasfer.training.fit import CLASSES, HARD_LABELS, SHIFTED_LOGITS
from kerasfer.training.plug_in import PlugIn
from kerasfer.training.step import Step
from kerasfer.types import Dataset, Tensor

_LOG = logging.getLogger(__name__)
_NOTHING = -1e9  # an energy that no face is below


class InPL(PlugIn):
    """Faces with low energy are pseudo-labelled, instead of those of high confidence.

        E(u) = -logsumexp z(u);  mask = 1[E(u) <= tau_e];  label = argmax p(u)
        logits of the strong view + tau log q                     (adaptive margin)

    with q the average of the weak predictions, moved with momentum after each step,
    uniform at the start. It replaces the rule of the scheme, with its threshold.

    tau_e is tied to the scale of the logits: seven zero logits have energy -1.95, those
    on embeddings of unit length may never reach the authors' -9.5. With "calibrated",
    at the end of each epoch tau_e becomes the (1 - `quantile`) quantile of the energies
    of the labelled faces that are predicted correctly; until the first epoch ends,
    nothing passes. A fixed tau_e that no labelled face meets is warned about.

    The authors give tau_e -9.5 (CIFAR-10-LT), -11.5 (CIFAR-100-LT) and -8.75 (their
    default); their configurations leave the margin off, as the default here does.

    Args:
        num_classes: of the classifier.
        cutoff: tau_e, or "calibrated".
        quantile: in [0, 1), for "calibrated".
        margin: tau of the adaptive margin, >= 0; 0 is none, the paper's is 0.5.
        momentum: of q. 0.999 is its code's.

    Raises:
        ValueError: a number out of range.

    >>> model = FixMatch(classifier, plug_ins=(InPL(7),))
    """

    needs: tuple[str, ...] = (CLASSES, HARD_LABELS)

    def __init__(
        self,
        num_classes: int,
        cutoff: float | str = "calibrated",
        quantile: float = 0.2,
        margin: float = 0.0,
        momentum: float = 0.999,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "inpl", "dtype": "float32", **kwargs})
        if not (0 <= quantile < 1 and margin >= 0 and 0 <= momentum < 1):
            raise ValueError(
                "Expected quantile and momentum in [0, 1) and margin >= 0. Received: "
                f"quantile={quantile}, margin={margin}, momentum={momentum}."
            )
        if margin:
            self.needs = (*self.needs, SHIFTED_LOGITS)
        self.calibrated = cutoff == "calibrated"
        self.quantile, self.margin, self.momentum = quantile, margin, momentum
        start = _NOTHING if self.calibrated else float(cutoff)
        constant = keras.initializers.Constant
        self.cutoff = add_state(self, "cutoff", (), constant(start))
        uniform = constant(1.0 / num_classes)
        self.predicted = add_state(self, "predicted", (num_classes,), uniform)
        self.built = True

    def select(
        self, weak: dict[str, Tensor], rule: Callable[..., Any], scores: Tensor
    ) -> tuple[Tensor, Tensor]:
        passes = energy(weak["logits"]) <= tf.convert_to_tensor(self.cutoff)
        labels = tf.argmax(scores, -1, output_type=tf.int32)
        return labels, tf.stop_gradient(tf.cast(passes, tf.float32))

    def adjust_thresholds(self, thresholds: Tensor) -> Tensor:
        return None  # it looks at energies

    def adjust_logits(self, logits: Tensor) -> Tensor:
        if self.margin == 0:
            return logits
        return logits + self.margin * tf.math.log(tf.convert_to_tensor(self.predicted))

    def updates_of(self, step: Step) -> tuple:
        mean = tf.reduce_mean(step.outputs["weak"]["probs"], 0)
        mean = all_reduce_mean(tf.stop_gradient(mean))
        kept = self.momentum * tf.convert_to_tensor(self.predicted)
        return ((self.predicted, kept + (1.0 - self.momentum) * mean),)

    def epoch_end(
        self, model: Any, labeled: Dataset, unlabeled: Dataset | None
    ) -> None:
        """Calibrates tau_e, or warns where it lets nothing pass."""
        energies, right = [], []
        for images, labels in labeled:
            outputs = model.infer_own(images, averaged=False)
            energies.append(energy(outputs["logits"]))
            right.append(np.argmax(outputs["probs"], -1) == labels)
        found, hits = np.concatenate(energies), np.concatenate(right)
        if self.calibrated and hits.any():
            self.cutoff.assign(np.quantile(found[hits], 1.0 - self.quantile))
        cutoff = float(tf.convert_to_tensor(self.cutoff))
        if not (found <= cutoff).any():
            _LOG.warning(
                "No labelled face has an energy of %.2f or less (the lowest is %.2f): "
                "no pseudo-label passes, and training is supervised. Raise `cutoff`, "
                'or use cutoff="calibrated".',
                cutoff,
                found.min(),
            )


def energy(logits: Tensor) -> Tensor:
    """-logsumexp(z), float (batch,): low where some logit is high.

    >>> energy([[0.0, 0.0]])  # [-log 2]
    """
    return -tf.reduce_logsumexp(logits, -1)
