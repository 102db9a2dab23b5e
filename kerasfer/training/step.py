"""What a scheme says of a batch."""

from typing import Any, NamedTuple

import tensorflow as tf

from kerasfer.types import Tensor


class Pseudo(NamedTuple):
    """Pseudo-labels of the unlabelled faces."""

    labels: tf.Tensor  # int (unlabeled_batch,)
    mask: tf.Tensor  # float (unlabeled_batch,), 1 = kept
    confidence: Any = None  # float (unlabeled_batch,), the largest of what they rest on

    @classmethod
    def most_probable(cls, probs: Tensor, mask: Tensor = 1.0) -> "Pseudo":
        """The most probable classes, of a scheme whose targets are something else: to
        look at, no plug-in replaces them. `mask` is a number, or one a face."""
        probs = tf.stop_gradient(probs)
        confidence = tf.reduce_max(probs, -1)
        labels = tf.argmax(probs, -1, output_type=tf.int32)
        return cls(labels, mask * tf.ones_like(confidence), confidence)


class Step(NamedTuple):
    """What a scheme computed on a batch, for the frame and for plug-ins."""

    losses: dict  # name -> scalar, exactly the names of the scheme's `loss_weights`
    labels: tf.Tensor
    outputs: dict  # view -> classifier outputs; "image" is the labelled view,
    # and "weak", where there is one, what targets were made from
    pseudo: Any = None  # Pseudo, or None
    updates: tuple = ()  # ((variable, new value), ...), after a finite gradient
    batch: Any = None  # the frame's: the batch, for plug-ins that read entries of it
    progress: Any = None  # the frame's: fraction of the run that is done
