"""RUL: relative uncertainty learning (Zhang et al., NeurIPS 2021)."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.training.feature_map import feature_map_of
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor


class RUL(SemiSupervisedModel):
    """A supervised reference: features of two faces are mixed by their uncertainties.

        s = mean exp(log variance);  w = s / (s + s')
        f = w mu(x) + (1 - w) mu(x'),  x' another face of the batch
        L = mean 1/2 H(y, p(f)) + 1/2 H(y', p(f))

    The more uncertain face gets the larger weight, so that it is recognised in the
    mixture. mu and the log variance are two branches on the map of the layer
    `feature_map`: batch normalisation without scale, dropout 0.4, a dense layer of
    `width`, batch normalisation. Predictions are those of mu alone. It takes the place
    of the classifier's pooling and last layer, and learns from labelled faces only.

    The authors' augmentation (noise, erasing), rates and schedule are the caller's.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords, with a layer
            `feature_map`.
        width: of mu, 64 in the authors' code.

    Raises:
        ValueError: a classifier without the layer `feature_map`.

    >>> model = RUL(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("uniform_labeled",)
    loss_weights = {"supervised": 1.0}

    def __init__(self, classifier: Classifier, width: int = 64, **kwargs: Any) -> None:
        super().__init__(with_uncertainty(classifier, width), **kwargs)

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {"image": self.forward(batch["image"])}
        mean = outputs["image"]["embedding"]
        deviation = tf.exp(outputs["image"]["log_variance"])
        uncertainty = tf.reduce_mean(deviation, -1, keepdims=True)
        partner = tf.argsort(batch["uniform_labeled"])

        weight = uncertainty / (uncertainty + tf.gather(uncertainty, partner))
        mixed = weight * mean + (1.0 - weight) * tf.gather(mean, partner)
        logits = {"logits": self.classifier.get_layer("mean_logits")(mixed)}
        of_both = [
            self.supervised_loss(y, logits)
            for y in (labels, tf.gather(labels, partner))
        ]
        losses = {"supervised": batch_mean(0.5 * tf.add_n(of_both))}
        return Step(losses, labels, outputs)


def with_uncertainty(classifier: Classifier, width: int) -> Classifier:
    """The classifier with the outputs "embedding" (mu), "log_variance", "logits" and
    "probs" of the two branches."""
    feature_map = feature_map_of(classifier)
    num_classes = classifier.output["logits"].shape[-1]
    mean = _branch(feature_map, width, "mean")
    logits = keras.layers.Dense(num_classes, dtype="float32", name="mean_logits")(mean)
    probs = keras.layers.Activation("softmax", dtype="float32", name="mean_probs")
    outputs = {
        "embedding": mean,
        "log_variance": _branch(feature_map, width, "log_variance"),
        "logits": logits,
        "probs": probs(logits),
    }
    return keras.Model(classifier.input, outputs, name=classifier.name)


def _branch(x, width, name):
    layers = keras.layers
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=2e-5, center=False, scale=False, name=f"{name}_map_norm"
    )(x)
    x = layers.Dropout(0.4, name=f"{name}_dropout")(x)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(width, name=f"{name}_dense")(x)
    return layers.BatchNormalization(
        momentum=0.9, epsilon=2e-5, dtype="float32", name=f"{name}_norm"
    )(x)
