"""The last confident label of every unlabelled face, as state."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer._compat import add_index_state, add_state
from kerasfer.losses.reductions import gathered
from kerasfer.types import Tensor


class LabelMemory(keras.layers.Layer):
    """The last label of each of many faces, and how many have each.

    Eight bytes a face; a step costs a copy of them, not a count (0.6 ms for a million
    faces on one CPU: `tests/benchmarks/label_memory.py`).

    Attributes:
        labels: int64 (size,), -1 for a face without a label yet.
        counts: float32 (num_classes,), faces per label; whole numbers.

    Args:
        size: number of faces, up to 16 million, where float32 stops counting.
        num_classes: up to 32767.

    Raises:
        ValueError: a size or number of classes out of range.

    >>> LabelMemory(1000, 7).labels.shape
    TensorShape([1000])
    """

    def __init__(self, size: int, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        if not 0 < size <= 2**24 or not 0 < num_classes < 2**15:
            raise ValueError(
                f"Expected 1 to {2**24} faces and 1 to {2**15 - 1} classes. Received: "
                f"size={size}, num_classes={num_classes}."
            )
        self.size = int(size)
        self.labels = add_index_state(self, "labels", (self.size,), -1)
        self.counts = add_state(self, "counts", (num_classes,))
        self.built = True

    def remembering(self, index: Tensor, labels: Tensor, mask: Tensor) -> tuple:
        """The state once the labels of some faces are stored.

        A face that comes twice in the (global) batch gets the label of its last place.

        Args:
            index: int (batch,), rows of faces.
            labels: int (batch,).
            mask: float (batch,), 0 leaves a face as it is.

        Returns:
            ((variable, new value), ...), for the frame to apply.

        Raises:
            InvalidArgumentError: an index outside of the memory.
        """
        index, labels, mask = (
            gathered(tf.cast(v, tf.int32))[0] for v in (index, labels, mask)
        )
        tf.debugging.assert_less(
            index, self.size, "`num_unlabeled` is smaller than the unlabelled faces."
        )
        position = tf.range(tf.shape(index)[0])
        again = (index[:, None] == index) & (position[:, None] < position)
        again &= mask[None] > 0
        stored = (mask > 0) & ~tf.reduce_any(again, -1)

        memory = tf.convert_to_tensor(self.labels)
        old = tf.cast(tf.gather(memory, index), tf.int32)
        # Every place of a face gets the same value, so that their order is no matter.
        last = tf.where((index[:, None] == index) & stored, position, -1)
        last = tf.reduce_max(last, -1)
        new = tf.where(last >= 0, tf.gather(labels, tf.maximum(last, 0)), old)
        memory = tf.tensor_scatter_nd_update(
            memory, index[:, None], tf.cast(new, memory.dtype)
        )
        # one_hot of -1 is a row of zeros.
        depth = self.counts.shape[0]
        change = tf.one_hot(labels, depth) - tf.one_hot(old, depth)
        change = tf.reduce_sum(tf.where(stored[:, None], change, 0.0), 0)
        counts = tf.convert_to_tensor(self.counts) + change
        return (self.labels, memory), (self.counts, counts)
