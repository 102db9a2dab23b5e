"""MixMatch (Berthelot et al., NeurIPS 2019)."""

from typing import Any

import tensorflow as tf

from kerasfer.losses import batch_mean, probability_error
from kerasfer.losses.reductions import num_replicas
from kerasfer.schedules import RAMP_IMAGES, bounded_ramp
from kerasfer.targets.pseudo_labels import sharpen
from kerasfer.training.checks import require_above
from kerasfer.training.conventions import choose_preset
from kerasfer.training.mixed_forward import mixed_forward
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Tensor

PRESETS = {
    "fer": {
        "ramp": 0.8,
        "ramp_images": RAMP_IMAGES,
        "loss_weights": {"unlabeled": 20.0},
    },
    "paper": {
        "ramp": 1.0,
        "ramp_images": RAMP_IMAGES,
        "loss_weights": {"unlabeled": 75.0},
    },
}


class MixMatch(SemiSupervisedModel):
    """Guessed labels, sharpened, and MixUp of everything with everything.

        q = sharpen((p(u_1) + p(u_2)) / 2, T)
        (x', y') = MixUp of labelled faces (one-hot y) and both weak views (q)
        L = mean_labeled H(y', p(x'))
          + lambda_u w(t) mean_unlabeled (1/K) |y' - p(x')|^2

    with a mixing weight for each face, at least 1/2 for itself. The squared error is a
    mean over classes: its weight is not to be divided by K again.

    Presets: "fer" has lambda_u 20 (75 is for batches of 64); "paper" 75. The ramp ends
    after `ramp_images`, or after the fraction `ramp` of the run if that comes first.
    The mixing weights are the data set's: alpha 0.75 is `training_dataset`'s default.

    *Deviations*: one forward pass for all mixed faces, without interleaving, so batch
    statistics are those of the mixture; guesses are made with dropout and batch
    statistics, as there, and move the running ones.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords. A
            `supervised_loss` of your own must accept soft labels.
        preset: "fer" or "paper"; None below takes its value.
        temperature: T > 0; 1 leaves guesses as they are. 0.5 is the paper's.
        ramp: fraction of the run over which lambda_u rises from 0.
        ramp_images: labelled faces, those of all steps, over which it rises at most.

    Raises:
        ValueError: another preset, or `temperature` is not positive.

    >>> model = MixMatch(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("weak", "weak_2", "mix_weight", "mix_key")
    loss_weights = {"supervised": 1.0, "unlabeled": 20.0}

    def __init__(
        self,
        classifier: Classifier,
        preset: str = "fer",
        temperature: float = 0.5,
        ramp: float | None = None,
        ramp_images: int | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = choose_preset(preset, PRESETS, ramp=ramp, ramp_images=ramp_images)
        super().__init__(classifier, preset_weights=chosen["loss_weights"], **kwargs)
        require_above(0, temperature=temperature)
        self.temperature = temperature
        self.ramp, self.ramp_images = chosen["ramp"], chosen["ramp_images"]

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {v: self.forward_weak(batch[v]) for v in ("weak", "weak_2")}
        guess = (outputs["weak"]["probs"] + outputs["weak_2"]["probs"]) / 2.0
        q = tf.stop_gradient(sharpen(guess, self.temperature))

        targets = tf.concat([tf.one_hot(labels, q.shape[-1]), q, q], 0)
        views = ("image", "weak", "weak_2")
        mixed = mixed_forward(self, batch, views, targets)

        size = tf.shape(labels)[0]
        steps = tf.convert_to_tensor(self.steps_done)
        seen = steps * tf.cast(size * num_replicas(), tf.float32)
        weight = bounded_ramp(self.progress(), self.ramp, seen, self.ramp_images)
        error = batch_mean(probability_error(*mixed.unlabeled))
        losses = {
            "supervised": batch_mean(self.supervised_loss(*mixed.labeled)),
            "unlabeled": weight * error,
        }
        outputs["image"] = mixed.labeled[1]
        return Step(losses, labels, outputs, Pseudo.most_probable(q))
