"""Class means over a data set, for schemes with centroids."""

import tensorflow as tf

from kerasfer.layers import class_sums


def summed_embeddings(model, dataset, memberships_of, averaged=True):
    """Embeddings and memberships of a data set, added up per class.

    Args:
        model: the scheme.
        dataset: of (image, label).
        memberships_of: (labels, outputs) -> float (batch, num_classes).
        averaged: which of the two sets of weights, see `SemiSupervisedModel.infer`.

    Returns:
        (num_classes, width) and (num_classes,).
    """
    total = None
    for images, labels in dataset:
        outputs = model.infer_own(images, averaged)
        part = class_sums(outputs["embedding"], memberships_of(labels, outputs))
        total = part if total is None else tuple(map(tf.add, total, part))
    return total
