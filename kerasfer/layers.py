"""Layers with a named state, and input normalisation."""

import keras
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.losses.reductions import all_reduce_sum

NORMALIZATIONS = ("imagenet", "unit", "per_plane")
_IMAGENET_MEAN = (123.675, 116.28, 103.53)  # 255 * (0.485, 0.456, 0.406)
_IMAGENET_STD = (58.395, 57.12, 57.375)  # 255 * (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable("kerasfer")
class ImageNormalization(keras.layers.Layer):
    """Pixels 0..255 to what a backbone expects; the classifier's first layer.

    Args:
        kind: "imagenet": ImageNet's mean and deviation per colour, their average for
            grey; "unit": to [-1, 1]; "per_plane": mean 0 and deviation 1 in each plane
            of each image (a constant plane becomes 0).

    Input numeric (batch, height, width, 1 or 3), output float32 of that shape.

    Raises:
        ValueError: another `kind`.

    >>> ImageNormalization("unit")(tf.constant([[[[0.0], [255.0]]]]))  # -1 and 1
    """

    def __init__(self, kind="unit", **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if kind not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {', '.join(NORMALIZATIONS)}. "
                f"Received: {kind!r}."
            )
        self.kind = kind

    def call(self, images):
        images = tf.cast(images, tf.float32)
        if self.kind == "unit":
            return images / 127.5 - 1.0
        if self.kind == "imagenet":
            mean, deviation = tf.constant(_IMAGENET_MEAN), tf.constant(_IMAGENET_STD)
            if images.shape[-1] == 1:
                mean, deviation = tf.reduce_mean(mean), tf.reduce_mean(deviation)
            return (images - mean) / deviation
        mean, variance = tf.nn.moments(images, [1, 2], keepdims=True)
        return (images - mean) / tf.maximum(tf.sqrt(variance), 1.0)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}


class ClassCentroids(keras.layers.Layer):
    """The mean embedding of each class, as state.

    Attributes:
        centroids: float32 (num_classes, width), means of embeddings.
        known: float32 (num_classes,) in {0, 1}: whether a class has been seen.

    Args:
        num_classes, width: of the state.

    >>> ClassCentroids(7, 128).known  # zeros
    """

    def __init__(self, num_classes, width, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.centroids = add_state(self, "centroids", (num_classes, width))
        self.known = add_state(self, "known", (num_classes,))
        self.built = True

    def moved(self, embeddings, memberships, momentum):
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

    def set_means(self, sums, counts):
        """Sets centroids to sums / counts; a class with count 0 stays as it was."""
        present = tf.cast(counts > 0, tf.float32)
        means = tf.math.divide_no_nan(sums, counts[:, None])
        kept = tf.convert_to_tensor(self.centroids)
        self.centroids.assign(tf.where(present[:, None] > 0, means, kept))
        self.known.assign(tf.maximum(tf.convert_to_tensor(self.known), present))


def class_sums(embeddings, memberships):
    """Sum of embeddings and of memberships per class.

    Args:
        embeddings: float (batch, width).
        memberships: float (batch, num_classes), one-hot or soft.

    Returns:
        (num_classes, width) and (num_classes,).
    """
    sums = tf.matmul(memberships, embeddings, transpose_a=True)
    return sums, tf.reduce_sum(memberships, 0)
