"""How far class centers are from the vertices of a regular simplex."""

import tensorflow as tf

from kerasfer.losses.margin import unit
from kerasfer.types import Tensor

FORMS = ("code", "paper")


def simplex_etf_penalty(centers: Tensor, form: str = "code") -> Tensor:
    """Distance of the centered class directions from a simplex equiangular tight frame.

        g_k = (h_k - mean h) / || h_k - mean h ||
        R = sum_{k != t} (g_k . g_t + 1/(K-1))^2               ("paper", Eq. 8)
        R = || G' ||_F, G' the Gram matrix of g with -1/(K-1)  ("code")
            in place of its diagonal

    Both are smallest where all pairwise cosines are -1/(K-1); "paper" is then 0, "code"
    K/(K-1), so its logged value does not go to 0. Gradients are finite everywhere, also
    where centers coincide (a centered length below 1e-4 counts as 1e-4).

    Source: ReMoP (IJCAI 2025), Eq. 8, and its code.

    Args:
        centers: float (num_classes, width), at least two classes.
        form: "code" or "paper".

    Returns:
        float32 scalar.

    Raises:
        ValueError: another `form`, or fewer than two classes.

    >>> simplex_etf_penalty([[1.0, 0.0], [-1.0, 0.0]])  # 2 classes, opposite: K/(K-1)=2
    """
    if form not in FORMS:
        raise ValueError(f"`form` must be one of {', '.join(FORMS)}. Received: {form}.")
    centers = tf.cast(centers, tf.float32)
    num_classes = centers.shape[0]
    if num_classes < 2:
        raise ValueError(f"Expected at least two classes. Received: {num_classes}.")
    directions = unit(centers - tf.reduce_mean(centers, 0))
    cosines = tf.matmul(directions, directions, transpose_b=True)
    ideal = tf.fill([num_classes], -1.0 / (num_classes - 1.0))
    if form == "paper":
        errors = tf.linalg.set_diag(cosines - ideal[:, None], tf.zeros(num_classes))
        return tf.reduce_sum(tf.square(errors))
    squares = tf.square(tf.linalg.set_diag(cosines, ideal))
    return tf.sqrt(tf.reduce_sum(squares))
