"""Metrics that hold counts and divide at the end: exact for any batch size."""

import keras
import tensorflow as tf


class _CountingMetric(keras.metrics.Metric):
    """A metric of counts. Keras 2.15 resets only scalars by itself."""

    def reset_state(self):
        for variable in self.variables:
            variable.assign(tf.zeros(variable.shape))


@keras.saving.register_keras_serializable("kerasfer")
class ConfusionMatrix(_CountingMetric):
    """Counts of (true class, predicted class).

    `result()` is float32 (num_classes, num_classes), rows true, columns predicted, as
    in scikit-learn. A matrix does not fit a progress bar: call it on its own, and give
    `MeanClassAccuracy` to `compile`.

    `update_state(y_true, y_pred)` takes int (batch,) or (batch, 1) true classes, of
    which -1 (unknown) is left out, and scores (batch, num_classes), of which the argmax
    counts.

    Args:
        num_classes: of the problem, absent ones included.

    >>> matrix = ConfusionMatrix(2)
    >>> matrix.update_state([0, 1], [[0.9, 0.1], [0.6, 0.4]])
    >>> matrix.result()  # [[1, 0], [1, 0]]
    """

    def __init__(self, num_classes, name="confusion_matrix", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        self.counts = self.add_weight(
            name="counts", shape=(num_classes, num_classes), initializer="zeros"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = tf.reshape(tf.cast(y_true, tf.int32), [-1])
        y_pred = tf.argmax(y_pred, -1, output_type=tf.int32)
        weights = tf.ones_like(y_true, tf.float32)
        if sample_weight is not None:
            weights = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
        # one_hot of -1 is a row of zeros.
        rows = tf.one_hot(y_true, self.num_classes) * weights[:, None]
        columns = tf.one_hot(y_pred, self.num_classes)
        self.counts.assign_add(tf.matmul(rows, columns, transpose_a=True))

    def result(self):
        return tf.convert_to_tensor(self.counts)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable("kerasfer")
class MeanClassAccuracy(ConfusionMatrix):
    """Mean over classes of the accuracy within the class (balanced accuracy, UAR).

    A class absent from the data is left out of the mean, so the number then speaks of
    fewer classes; without any data it is 0. Equals scikit-learn's
    `balanced_accuracy_score`. Arguments and inputs as for `ConfusionMatrix`.

    >>> metric = MeanClassAccuracy(3)
    >>> metric.update_state([0, 0, 0, 1], [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]])
    >>> float(metric.result())  # (2/3 + 1) / 2; nobody is of class 2
    0.8333333
    """

    def __init__(self, num_classes, name="mean_class_accuracy", **kwargs):
        super().__init__(num_classes, name=name, **kwargs)

    def result(self):
        counts = tf.convert_to_tensor(self.counts)
        present = tf.reduce_sum(counts, -1)
        accuracies = tf.math.divide_no_nan(tf.linalg.diag_part(counts), present)
        num_present = tf.reduce_sum(tf.cast(present > 0, tf.float32))
        return tf.math.divide_no_nan(tf.reduce_sum(accuracies), num_present)


class PseudoLabelQuality(_CountingMetric):
    """How many unlabelled faces got a pseudo-label, and how many of those were right.

    Where the benchmark knows the true labels. `result()` gives two scalars for the
    progress bar: `mask_rate`, the share of faces whose pseudo-label passed, and
    `pseudo_label_accuracy`, the share of right ones among those of known class.
    `per_class()` gives the rest.

    Args:
        num_classes: of the problem.

    >>> quality = PseudoLabelQuality(2)
    >>> quality.update_state([0, 0, 1], [1.0, 0.0, 1.0], [0, 0, 0])
    >>> quality.result()  # {"mask_rate": 0.667, "pseudo_label_accuracy": 0.5}
    """

    def __init__(self, num_classes, name="pseudo_label_quality", **kwargs):
        super().__init__(name=name, **kwargs)
        self.kept = self.add_weight(
            name="kept", shape=(num_classes, num_classes), initializer="zeros"
        )
        self.seen = self.add_weight(
            name="seen", shape=(num_classes,), initializer="zeros"
        )
        self.num_kept = self.add_weight(name="num_kept", shape=(), initializer="zeros")
        self.num_seen = self.add_weight(name="num_seen", shape=(), initializer="zeros")

    def update_state(self, pseudo_labels, mask, labels):
        """Counts a batch.

        Args:
            pseudo_labels: int (batch,).
            mask: float (batch,), 1 = passed.
            labels: int (batch,), true classes, -1 = unknown.
        """
        num_classes = self.seen.shape[0]
        mask = tf.cast(mask, tf.float32)
        true = tf.one_hot(labels, num_classes)
        pseudo = tf.one_hot(pseudo_labels, num_classes) * mask[:, None]
        self.kept.assign_add(tf.matmul(true, pseudo, transpose_a=True))
        self.seen.assign_add(tf.reduce_sum(true, 0))
        self.num_kept.assign_add(tf.reduce_sum(mask))
        self.num_seen.assign_add(tf.cast(tf.size(mask), tf.float32))

    def result(self):
        kept = tf.convert_to_tensor(self.kept)
        return {
            "mask_rate": tf.math.divide_no_nan(
                tf.convert_to_tensor(self.num_kept), tf.convert_to_tensor(self.num_seen)
            ),
            "pseudo_label_accuracy": tf.math.divide_no_nan(
                tf.linalg.trace(kept), tf.reduce_sum(kept)
            ),
        }

    def per_class(self):
        """Coverage, precision and recall per class, each float32 (num_classes,).

        Coverage: of the faces of a true class, the share with any pseudo-label.
        Precision: of the faces given a class, the share that is of it. Recall: of the
        faces of a true class, the share given it. 0/0 is 0.
        """
        kept = tf.convert_to_tensor(self.kept)
        seen = tf.convert_to_tensor(self.seen)
        right = tf.linalg.diag_part(kept)
        return {
            "coverage": tf.math.divide_no_nan(tf.reduce_sum(kept, 1), seen),
            "precision": tf.math.divide_no_nan(right, tf.reduce_sum(kept, 0)),
            "recall": tf.math.divide_no_nan(right, seen),
        }
