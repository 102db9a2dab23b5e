"""The mean embedding of each class, as state."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.losses.margin import unit
from kerasfer.losses.reductions import all_reduce_sum
from kerasfer.types import Tensor


class ClassCentroids(keras.layers.Layer):
    """The mean embedding of each class, as state.

    Attributes:
        centroids: float32 (num_classes, width), means of embeddings.
        known: float32 (num_classes,) in {0, 1}: whether a class has been seen.

    Args:
        num_classes, width: of the state.

    >>> ClassCentroids(7, 128).known  # zeros
    """

    def __init__(self, num_classes: int, width: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.centroids = add_state(self, "centroids", (num_classes, width))
        self.known = add_state(self, "known", (num_classes,))
        self.built = True

    def moved(self, embeddings: Tensor, memberships: Tensor, momentum: float) -> tuple:
        """The state moved towards a batch's class means: c <- m c + (1 - m) mean.

        A class that is absent from the (global) batch, or has no centroid yet, stays.

        Args:
            embeddings: float (batch, width).
            memberships: float (batch, num_classes), one-hot or soft.
            momentum: m in [0, 1].

        Returns:
            ((variable, new value), ...), for the frame to apply.
        """
        centroids = tf.convert_to_tensor(self.centroids)
        sums, counts = class_sums(tf.stop_gradient(embeddings), memberships)
        sums, counts = all_reduce_sum(sums), all_reduce_sum(counts)
        means = tf.math.divide_no_nan(sums, counts[:, None])
        moves = (counts > 0) & (tf.convert_to_tensor(self.known) > 0)
        blend = momentum * centroids + (1.0 - momentum) * means
        return ((self.centroids, tf.where(moves[:, None], blend, centroids)),)

    def stepped(
        self,
        embeddings: Tensor,
        memberships: Tensor,
        rate: float,
        pair_weight: float = 0.0,
    ) -> tuple:
        """The state after a step towards a batch's faces, one way for each class.

            c_j <- c_j - a (sum_{i of j} (c_j - f_i) / (1 + n_j)
                            + lambda_1/(K-1) sum_{k != j} d cos(c_j, c_k) / d c_j)

        The first term is the update of the center loss (Wen et al., ECCV 2016), the
        second, which turns centroids away from each other, that of the island loss (Cai
        et al., FG 2018; over the known classes). A class that is absent from the
        (global) batch moves by the second alone; one seen for the first time takes the
        mean of its faces.

        Args:
            embeddings: float (batch, width).
            memberships: float (batch, num_classes): one-hot, zeros for a face that does
                not count.
            rate: a, in [0, 1].
            pair_weight: lambda_1 >= 0.

        Returns:
            ((variable, new value), ...), for the frame to apply.
        """
        centroids, known = map(tf.convert_to_tensor, (self.centroids, self.known))
        sums, counts = class_sums(tf.stop_gradient(embeddings), memberships)
        sums, counts = all_reduce_sum(sums), all_reduce_sum(counts)
        pull = (counts[:, None] * centroids - sums) / (1.0 + counts[:, None])
        step = pull + pair_weight * _mean_turn(centroids, known)
        means = tf.math.divide_no_nan(sums, counts[:, None])
        moved = tf.where(known[:, None] > 0, centroids - rate * step, means)
        present = tf.cast(counts > 0, tf.float32)
        return ((self.centroids, moved), (self.known, tf.maximum(known, present)))

    def set_means(self, sums: Tensor, counts: Tensor) -> None:
        """Sets centroids to sums / counts; a class with count 0 stays as it was."""
        present = tf.cast(counts > 0, tf.float32)
        means = tf.math.divide_no_nan(sums, counts[:, None])
        kept = tf.convert_to_tensor(self.centroids)
        self.centroids.assign(tf.where(present[:, None] > 0, means, kept))
        self.known.assign(tf.maximum(tf.convert_to_tensor(self.known), present))


def class_sums(embeddings: Tensor, memberships: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of embeddings and of memberships per class.

    Args:
        embeddings: float (batch, width).
        memberships: float (batch, num_classes), one-hot or soft.

    Returns:
        (num_classes, width) and (num_classes,).
    """
    sums = tf.matmul(memberships, embeddings, transpose_a=True)
    return sums, tf.reduce_sum(memberships, 0)


def _mean_turn(centroids, known):
    """sum_{k != j} d cos(c_j, c_k) / d c_j over K - 1, of the K known classes."""
    directions = unit(centroids) * known[:, None]
    cosines = tf.matmul(directions, directions, transpose_b=True)
    cosines = tf.linalg.set_diag(cosines, tf.zeros_like(known))
    others = tf.reduce_sum(directions, 0) - directions
    turns = others - tf.reduce_sum(cosines, 1, keepdims=True) * directions
    lengths = tf.norm(centroids, axis=1, keepdims=True)
    turns = tf.math.divide_no_nan(turns * known[:, None], lengths)
    return turns / tf.maximum(tf.reduce_sum(known) - 1.0, 1.0)
