"""The end of an epoch, for schemes with a margin loss."""

import numpy as np
import tensorflow as tf

from kerasfer.training.class_means import summed_embeddings


def update_margin(model, dataset, classes_of):
    """First centroids and weight of a `kerasfer.layers.ClassMargin`; then a note.

    After the first epoch, the class means of the labelled faces become the centroids;
    the mean supervised loss and the mean margin loss to these centroids set the weight
    of the margin. Both by the online weights, on faces without augmentation. After
    later epochs, it only records where the centroids stand.

    Args:
        model: the scheme, with a `margin`.
        dataset: labelled faces, (image, label).
        classes_of: (labels, outputs) -> int (batch,) classes, float (batch,) in {0, 1},
            0 for faces that do not count.
    """
    margin = model.margin
    if float(tf.convert_to_tensor(margin.started)) == 0:
        margin.start(*_class_sums(model, dataset, classes_of))
        margin.balance(*_mean_losses(model, dataset, classes_of))
    margin.record()


def _class_sums(model, dataset, classes_of):
    num_classes = model.margin.previous.shape[0]

    def memberships(labels, outputs):
        classes, counted = classes_of(labels, outputs)
        return tf.one_hot(classes, num_classes) * counted[:, None]

    return summed_embeddings(model, dataset, memberships, averaged=False)


def _mean_losses(model, dataset, classes_of):
    """Means of lambda_1 L_S over all faces, of L_M over some."""
    # Plain sums: Keras 2.15 refuses its metrics in the scope of a strategy.
    sums, weight = np.zeros(4), model.weights_of_losses["supervised"]
    for images, labels in dataset:
        outputs = model.infer_own(images, averaged=False)
        classes, counted = classes_of(labels, outputs)
        supervised = weight * model.supervised_loss(labels, outputs)
        margin = counted * model.margin.loss_of(outputs["embedding"], classes)
        totals = map(tf.reduce_sum, (supervised, margin, counted))
        sums += [*map(float, totals), len(images)]
    return sums[0] / sums[3], sums[1] / max(sums[2], 1.0)
