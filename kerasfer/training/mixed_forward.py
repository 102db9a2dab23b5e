"""The forward pass of schemes that mix all faces of a step with each other."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from kerasfer.targets import mixup
from kerasfer.types import Tensor


class Mixed(NamedTuple):
    """Mixed faces: their targets, and what the classifier makes of them."""

    targets: tf.Tensor  # float (M, num_classes), labelled faces first
    outputs: dict  # name -> (M, ...)
    size: tf.Tensor  # how many are labelled

    @property
    def labeled(self) -> tuple:
        """Targets and outputs of the labelled faces."""
        outputs = {name: values[: self.size] for name, values in self.outputs.items()}
        return self.targets[: self.size], outputs

    @property
    def unlabeled(self) -> tuple:
        """Targets and outputs of the unlabelled faces, a view after the other."""
        outputs = {name: values[self.size :] for name, values in self.outputs.items()}
        return self.targets[self.size :], outputs


def mixed_forward(
    model: Any,
    batch: dict[str, Tensor],
    views: Sequence[str],
    targets: Tensor,
    weight: Tensor | None = None,
) -> Mixed:
    """MixUp of everything with everything, in one pass in training mode.

    Args:
        model: a scheme, whose `views` name "mix_weight" and "mix_key" after `views`.
        batch: of the data set.
        views: entries of the batch, "image" first.
        targets: float (M, num_classes), of all faces of these views.
        weight: float (M,), of each face itself; None is the batch's "mix_weight".

    Returns:
        a `Mixed`.
    """
    images, targets = mixup(
        tf.concat([batch[view] for view in views], 0),
        targets,
        batch["mix_weight"] if weight is None else weight,
        batch["mix_key"],
    )
    return Mixed(targets, model.forward(images), tf.shape(batch["image"])[0])
