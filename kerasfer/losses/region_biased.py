"""The region-biased loss of RAN."""

import tensorflow as tf

from kerasfer.losses.cross_entropy import cross_entropy
from kerasfer.types import Tensor


def region_biased_loss(attention: Tensor, margin: float = 0.1) -> Tensor:
    """max(0, alpha - (mu_max - mu_0)): one crop shall weigh more than the whole face.

    Args:
        attention: float (batch, regions), the whole face's first.
        margin: alpha; 0.1 in the authors' code, for weights that sum to 1.

    Returns:
        float (batch,).

    >>> region_biased_loss([[0.5, 0.2, 0.55]])  # [0.05]
    """
    attention = tf.convert_to_tensor(attention)
    gap = tf.reduce_max(attention[:, 1:], -1) - attention[:, 0]
    return tf.maximum(margin - gap, 0.0)


def region_biased(
    labels: Tensor, outputs: dict[str, Tensor], weight: float = 1.0, margin: float = 0.1
) -> Tensor:
    """RAN's supervised loss: cross-entropy and `weight` times `region_biased_loss`.

    Source: Wang et al., "Region Attention Networks for Pose and Occlusion Robust Facial
    Expression Recognition", TIP 2020; weight and margin are its code's.

    Args:
        labels: int (batch,), or rows of probabilities.
        outputs: of `kerasfer.build_region_classifier`, which gives "attention".
        weight: of the second term.
        margin: alpha.

    Returns:
        float (batch,).

    Raises:
        ValueError: outputs without "attention".

    >>> outputs = {"logits": tf.zeros((1, 2)), "attention": tf.constant([[0.5, 0.5]])}
    >>> region_biased(tf.constant([0]), outputs)  # log 2 + 0.1
    """
    if "attention" not in outputs:
        raise ValueError(
            "The region-biased loss reads the weights of regions, and the outputs are "
            f"{', '.join(outputs)}. Expected a classifier of "
            "kerasfer.build_region_classifier (--head regions)."
        )
    bias = region_biased_loss(outputs["attention"], margin)
    return cross_entropy(labels, outputs) + weight * bias
