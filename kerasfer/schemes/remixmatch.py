"""ReMixMatch (Berthelot et al., ICLR 2020)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.losses import batch_mean, cross_entropy
from kerasfer.losses.reductions import all_reduce_mean, num_replicas
from kerasfer.schedules import RAMP_IMAGES, bounded_ramp
from kerasfer.targets.pseudo_labels import distribution_alignment, sharpen
from kerasfer.training.conventions import choose_preset
from kerasfer.training.mixed_forward import mixed_forward
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Array, Classifier, Tensor

_WEIGHTS = {"unlabeled": 1.5, "anchor": 0.5, "rotation": 0.5}
PRESETS = {
    "fer": {"ramp": 0.8, "ramp_images": RAMP_IMAGES, "loss_weights": _WEIGHTS},
    "paper": {"ramp": 1.0, "ramp_images": RAMP_IMAGES, "loss_weights": _WEIGHTS},
}
_MEMORY = 128  # batches


class ReMixMatch(SemiSupervisedModel):
    """MixMatch with aligned guesses, strong views anchored to them, and rotations.

        q = sharpen(p(u) p_data / p_model, T), one guess for all views of a face
        (x', y') = MixUp of labelled faces, the weak and both strong views
        L = mean_labeled H(y', p(x')) + 1.5 w(t) mean_unlabeled H(y', p(x'))
          + 0.5 w(t) mean H(q, p(A(u))) + 0.5 mean H(r, p_r(rotated A(u)))

    p_model is the mean of the last 128 batches' weak predictions, before alignment;
    p_data that of the labelled faces of the batches, averaged with 0.999, or given.
    Where the labelled faces are imbalanced on purpose, p_data pulls predictions to
    *their* distribution: give that of the unlabelled faces, if you know it.

    The last term is a four-way classification by a linear head of its own, on the first
    strong view, a quarter of the batch turned by each of 0, 90, 180 and 270 degrees.

    *Deviations*: quarters by turns instead of in four blocks; RandAugment(3, 5) with
    Cutout instead of CTAugment, two strong views instead of eight; one forward pass for
    all mixed faces, without interleaving. The ramp ends after `ramp_images` (1024 k)
    or, in the preset "fer", after 0.8 of the run if that comes first.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords, of square
            images. A `supervised_loss` of your own must accept soft labels.
        preset: "fer" or "paper"; None below takes its value.
        temperature: T > 0. 0.5 is the paper's.
        class_distribution: p_data, (num_classes,), or None.
        ramp: fraction of the run over which w rises from 0.
        ramp_images: labelled faces, those of all steps, over which it rises at most.

    Raises:
        ValueError: another preset, T not positive, images that are not square, or a
            distribution that is none.

    >>> model = ReMixMatch(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("weak", "strong", "strong_2", "mix_weight", "mix_key")
    loss_weights = {"supervised": 1.0, **_WEIGHTS}

    def __init__(
        self,
        classifier: Classifier,
        preset: str = "fer",
        temperature: float = 0.5,
        class_distribution: Sequence[float] | None = None,
        ramp: float | None = None,
        ramp_images: int | None = None,
        **kwargs: Any,
    ) -> None:
        chosen = choose_preset(preset, PRESETS, ramp=ramp, ramp_images=ramp_images)
        _check(classifier, temperature, class_distribution)
        super().__init__(
            _with_rotations(classifier), preset_weights=chosen["loss_weights"], **kwargs
        )
        self.temperature, self.class_distribution = temperature, class_distribution
        self.ramp, self.ramp_images = chosen["ramp"], chosen["ramp_images"]
        num_classes = self.classifier.output["probs"].shape[-1]
        uniform = keras.initializers.Constant(1.0 / num_classes)
        self.predicted = add_state(self, "predicted", (_MEMORY, num_classes), uniform)
        self.labeled_share = add_state(self, "labeled_share", (num_classes,), uniform)

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        weak = outputs["weak"]["probs"]
        one_hot = tf.one_hot(labels, weak.shape[-1])
        guess = distribution_alignment(weak, self._p_data(), self._p_model())
        q = tf.stop_gradient(sharpen(guess, self.temperature))
        pseudo = Pseudo.most_probable(q)

        targets = tf.concat([one_hot, q, q, q], 0)
        views = ("image", "weak", "strong", "strong_2")
        mixed = mixed_forward(self, batch, views, targets)
        turned, turns = quarter_turns(batch["strong"])
        rotation = self.forward(turned)["rotation_logits"]

        size = tf.shape(labels)[0]
        steps = tf.convert_to_tensor(self.steps_done)
        seen = steps * tf.cast(size * num_replicas(), tf.float32)
        weight = bounded_ramp(self.progress(), self.ramp, seen, self.ramp_images)
        losses = {
            "supervised": batch_mean(self.supervised_loss(*mixed.labeled)),
            "unlabeled": weight * batch_mean(cross_entropy(*mixed.unlabeled)),
            "anchor": weight * batch_mean(cross_entropy(q, outputs["strong"])),
            "rotation": batch_mean(cross_entropy(turns, {"logits": rotation})),
        }
        updates = self._moved(weak, one_hot)
        outputs["image"] = mixed.labeled[1]
        return Step(losses, labels, outputs, pseudo, updates)

    def _p_data(self):
        if self.class_distribution is not None:
            return tf.constant(self.class_distribution, tf.float32)
        return tf.convert_to_tensor(self.labeled_share)

    def _p_model(self):
        return tf.reduce_mean(tf.convert_to_tensor(self.predicted), 0)

    def _moved(self, weak, one_hot):
        newest = all_reduce_mean(tf.reduce_mean(tf.stop_gradient(weak), 0))
        share = all_reduce_mean(tf.reduce_mean(one_hot, 0))
        older = tf.convert_to_tensor(self.predicted)[1:]
        labeled = 0.999 * tf.convert_to_tensor(self.labeled_share) + 0.001 * share
        return (
            (self.predicted, tf.concat([older, newest[None]], 0)),
            (self.labeled_share, labeled),
        )


def quarter_turns(images: Array) -> tuple[Tensor, Tensor]:
    """Image i turned by i mod 4 quarters, and those numbers.

    Args:
        images: numeric (batch, side, side, channels).

    Returns:
        the images, and int32 (batch,) in 0..3.

    >>> quarter_turns(tf.zeros((6, 4, 4, 3)))[1]  # [0, 1, 2, 3, 0, 1]
    """
    turns = tf.range(tf.shape(images)[0]) % 4
    chosen = tf.reshape(turns, [-1, 1, 1, 1])
    turned = images
    for quarters in (1, 2, 3):
        turned = tf.where(chosen == quarters, tf.image.rot90(images, quarters), turned)
    return turned, turns


def _with_rotations(classifier):
    embedding = classifier.output["embedding"]
    head = keras.layers.Dense(4, dtype="float32", name="rotation_logits")
    outputs = {**classifier.output, "rotation_logits": head(embedding)}
    return keras.Model(classifier.input, outputs, name=classifier.name)


def _check(classifier, temperature, class_distribution):
    height, width = classifier.input_shape[1:3]
    if temperature <= 0 or height != width:
        raise ValueError(
            "Expected temperature > 0 and square images. Received: "
            f"temperature={temperature}, images {height} x {width}."
        )
    num_classes = classifier.output["probs"].shape[-1]
    given = class_distribution
    if given is not None and (len(given) != num_classes or abs(sum(given) - 1) > 1e-3):
        raise ValueError(
            f"`class_distribution` must have {num_classes} shares that sum to 1. "
            f"Received: {given}."
        )
