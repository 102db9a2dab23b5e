"""The squared hinge of a linear SVM on a network (DLSVM)."""

import tensorflow as tf

from kerasfer.losses.few_and_noisy import as_rows
from kerasfer.types import Tensor


def squared_hinge(labels: Tensor, outputs: dict[str, Tensor]) -> Tensor:
    """One SVM a class against all others, with the squared hinge.

        l = sum_c max(0, 1 - t_c z_c)^2,   t_c = 1 for the label, else -1

    for soft labels its mean over classes by their probabilities. `probs` of such a
    network are a softmax of margins, not calibrated: schemes that read a confidence
    make little sense with it.

    Source: Tang, "Deep Learning using Linear Support Vector Machines", ICML workshop
    2013. Its penalty on the last layer's weights is the optimiser's weight decay here.

    Args:
        labels: int (batch,), or float (batch, num_classes), rows that sum to 1.
        outputs: the classifier's output; `outputs["logits"]` is used.

    Returns:
        float (batch,).

    >>> squared_hinge(tf.constant([0]), {"logits": tf.zeros((1, 3))})  # [3]
    """
    logits = outputs["logits"]
    rows = as_rows(labels, outputs)
    own = tf.square(tf.nn.relu(1.0 - logits))
    other = tf.square(tf.nn.relu(1.0 + logits))
    return tf.reduce_sum(rows * own + (1.0 - rows) * other, -1)
