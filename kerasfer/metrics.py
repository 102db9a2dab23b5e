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
        return _mean_class_accuracy(tf.convert_to_tensor(self.counts))


@keras.saving.register_keras_serializable("kerasfer")
class MacroF1(ConfusionMatrix):
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN).

    A class that is neither present nor predicted is left out of the mean; without any
    data it is 0. Equals scikit-learn's `f1_score(average="macro")`. Arguments and
    inputs as for `ConfusionMatrix`.

    >>> metric = MacroF1(3)
    >>> metric.update_state([0, 1], [[1, 0, 0], [1, 0, 0]])
    >>> float(metric.result())  # (2/3 + 0) / 2
    0.33333334
    """

    def __init__(self, num_classes, name="macro_f1", **kwargs):
        super().__init__(num_classes, name=name, **kwargs)

    def result(self):
        return _macro_f1(tf.convert_to_tensor(self.counts))


@keras.saving.register_keras_serializable("kerasfer")
class PredictionScores(ConfusionMatrix):
    """Accuracy, mean class accuracy and macro F1 of one of several predictions.

    `result()` is a dict of scalars: `<name>_accuracy`, `<name>_mean_class_accuracy` and
    `<name>_f1`. Arguments and inputs as for `ConfusionMatrix`.

    >>> metric = PredictionScores(2, name="feature")
    >>> metric.update_state([0, 1], [[1, 0], [1, 0]])
    >>> metric.result()  # feature_accuracy 0.5, feature_mean_class_accuracy 0.5, ...
    """

    def __init__(self, num_classes, name="prediction", **kwargs):
        super().__init__(num_classes, name=name, **kwargs)

    def result(self):
        counts = tf.convert_to_tensor(self.counts)
        right, total = tf.linalg.trace(counts), tf.reduce_sum(counts)
        return {
            f"{self.name}_accuracy": tf.math.divide_no_nan(right, total),
            f"{self.name}_mean_class_accuracy": _mean_class_accuracy(counts),
            f"{self.name}_f1": _macro_f1(counts),
        }


class PseudoLabelQuality(_CountingMetric):
    """How many unlabelled faces got a pseudo-label, and how many of those were right.

    `result()` gives two scalars for the progress bar: `mask_rate`, the share of faces
    whose pseudo-label passed, and `pseudo_label_accuracy`, the share of right ones
    among those of known class. `per_class()` gives the rest.

    Args:
        num_classes: of the problem.

    >>> quality = PseudoLabelQuality(2)
    >>> quality.update_state([0, 0, 1], [1.0, 0.0, 1.0], [0, 0, 0])
    >>> quality.result()  # {"mask_rate": 0.667, "pseudo_label_accuracy": 0.5}
    """

    def __init__(self, num_classes, name="pseudo_label_quality", **kwargs):
        super().__init__(name=name, **kwargs)
        # True class by pseudo-label, of faces whose class is known.
        self.kept = self._counts("kept", (num_classes, num_classes))
        self.seen = self._counts("seen", (num_classes,))
        # By pseudo-label, of all faces.
        self.passed = self._counts("passed", (num_classes,))
        self.unsure = self._counts("unsure", (num_classes,))

    def update_state(self, pseudo_labels, mask, labels):
        """Counts a batch.

        Args:
            pseudo_labels: int (batch,).
            mask: float (batch,), 1 = passed.
            labels: int (batch,), true classes, -1 = unknown.
        """
        num_classes = self.seen.shape[0]
        mask = tf.cast(mask, tf.float32)[:, None]
        true = tf.one_hot(labels, num_classes)
        pseudo = tf.one_hot(pseudo_labels, num_classes)
        self.kept.assign_add(tf.matmul(true, pseudo * mask, transpose_a=True))
        self.seen.assign_add(tf.reduce_sum(true, 0))
        self.passed.assign_add(tf.reduce_sum(pseudo * mask, 0))
        self.unsure.assign_add(tf.reduce_sum(pseudo * (1.0 - mask), 0))

    def result(self):
        kept = tf.convert_to_tensor(self.kept)
        passed = tf.reduce_sum(tf.convert_to_tensor(self.passed))
        unsure = tf.reduce_sum(tf.convert_to_tensor(self.unsure))
        return {
            "mask_rate": tf.math.divide_no_nan(passed, passed + unsure),
            "pseudo_label_accuracy": tf.math.divide_no_nan(
                tf.linalg.trace(kept), tf.reduce_sum(kept)
            ),
        }

    def per_class(self):
        """Counts and rates per class, each float32 (num_classes,).

        Passed, unsure: how many faces were given the class with and without passing,
        the histogram of pseudo-labels and the sizes of Ada-CM's subsets I and II.
        Coverage: of the faces of a true class, the share with any pseudo-label.
        Precision: of the faces given a class, the share that is of it. Recall: of the
        faces of a true class, the share given it. 0/0 is 0; without any known class the
        three are NaN.
        """
        kept = tf.convert_to_tensor(self.kept)
        seen = tf.convert_to_tensor(self.seen)
        right = tf.linalg.diag_part(kept)
        unknown = tf.where(tf.reduce_sum(seen) > 0, 0.0, float("nan"))
        return {
            "passed": tf.convert_to_tensor(self.passed),
            "unsure": tf.convert_to_tensor(self.unsure),
            "coverage": tf.math.divide_no_nan(tf.reduce_sum(kept, 1), seen) + unknown,
            "precision": tf.math.divide_no_nan(right, tf.reduce_sum(kept, 0)) + unknown,
            "recall": tf.math.divide_no_nan(right, seen) + unknown,
        }

    def _counts(self, name, shape):
        return self.add_weight(name=name, shape=shape, initializer="zeros")


def result_names(metrics):
    """The names under which metrics appear in the logs, as a set."""
    names = set()
    for metric in metrics:
        result = metric.result()
        names |= set(result) if isinstance(result, dict) else {metric.name}
    return names


def _mean_class_accuracy(counts):
    present = tf.reduce_sum(counts, -1)
    accuracies = tf.math.divide_no_nan(tf.linalg.diag_part(counts), present)
    num_present = tf.reduce_sum(tf.cast(present > 0, tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(accuracies), num_present)


def _macro_f1(counts):
    doubled = 2.0 * tf.linalg.diag_part(counts)
    either = tf.reduce_sum(counts, 0) + tf.reduce_sum(counts, 1)
    num_either = tf.reduce_sum(tf.cast(either > 0, tf.float32))
    scores = tf.math.divide_no_nan(doubled, either)
    return tf.math.divide_no_nan(tf.reduce_sum(scores), num_either)
