"""SimSiam (Chen and He, CVPR 2021): a backbone from faces without labels."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor


class SimSiam(SemiSupervisedModel):
    """Two views of a face shall predict each other; the labels train a probe only.

        D(p, z) = - p . sg(z) / (|p| |z|)
        L = 1/2 D(p_1, z_2) + 1/2 D(p_2, z_1) + H(y, softmax(W sg(f(x)) + b))

    with f the embedding, z = g(f) the projection, p = h(z) the prediction, sg the
    gradient's stop: without it on z all faces become one point. The last term learns
    the dense layer on an embedding that it does not move, so that the accuracy of a run
    is that of a linear probe, and the backbone never sees a label.

    g has three dense layers with batch normalisation, ReLU after the first two; h two,
    the first of `width / 4` with batch normalisation and ReLU.

    *Deviations*: views are our strong ones (RandAugment, Cutout, crop, mirror) in place
    of random resized crops with colour jitter and blur, which faces that are aligned do
    not stand; `width` 512 for 2,048; g and h leave the trained classifier in place.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords, with a layer
            `logits`, as `build_classifier` makes it.
        width: of the projection, a multiple of 4.

    Raises:
        ValueError: `width` is no multiple of 4, or there is no dense layer `logits`.

    >>> model = SimSiam(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("strong", "strong_2")
    # No plug-in that learns from labels: they would reach the backbone.
    offers = ()
    loss_weights = {"similarity": 1.0, "supervised": 1.0}

    def __init__(self, classifier: Classifier, width: int = 512, **kwargs: Any) -> None:
        if width < 4 or width % 4:
            raise ValueError(
                f"`width` must be a multiple of 4, at least 4. Received: {width}."
            )
        if not isinstance(_last_layer(classifier), keras.layers.Dense):
            raise ValueError(
                "SimSiam trains the dense layer `logits` of one network on its "
                "embedding. Build the classifier by kerasfer.build_classifier."
            )
        super().__init__(with_prediction(classifier, width), **kwargs)

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        names = "image", "strong", "strong_2"
        outputs = {name: self.forward(batch[name]) for name in names}
        first, second = outputs["strong"], outputs["strong_2"]
        similarity = 0.5 * negative_cosine(first["prediction"], second["projection"])
        similarity += 0.5 * negative_cosine(second["prediction"], first["projection"])
        fixed = {n: tf.stop_gradient(v) for n, v in outputs["image"].items()}
        logits = self.classifier.get_layer("logits")(fixed["embedding"])
        of_probe = {**fixed, "logits": logits}
        losses = {
            "similarity": batch_mean(similarity),
            "supervised": batch_mean(self.supervised_loss(labels, of_probe)),
        }
        return Step(losses, labels, outputs)


def _last_layer(classifier):
    try:
        return classifier.get_layer("logits")
    except ValueError:
        return None


def negative_cosine(prediction: Tensor, projection: Tensor) -> Tensor:
    """- cos(p, z), z a constant for the gradient.

    Args:
        prediction, projection: float (batch, width).

    Returns:
        float (batch,), in [-1, 1]; 0 for a row of zeros.

    >>> negative_cosine([[2.0, 0.0]], [[1.0, 0.0]])  # [-1]
    """
    p = tf.math.l2_normalize(prediction, -1)
    z = tf.math.l2_normalize(tf.stop_gradient(projection), -1)
    return -tf.reduce_sum(p * z, -1)


def with_prediction(classifier: Classifier, width: int) -> Classifier:
    """The classifier with the outputs "projection" (z) and "prediction" (p)."""
    z = classifier.output["embedding"]
    for number in range(3):
        z = _dense_norm(z, width, f"projection_{number}")
        if number < 2:
            z = keras.layers.ReLU(dtype="float32", name=f"projection_relu_{number}")(z)
    p = _dense_norm(z, width // 4, "prediction_0")
    p = keras.layers.ReLU(dtype="float32", name="prediction_relu")(p)
    p = keras.layers.Dense(width, dtype="float32", name="prediction_1")(p)
    outputs = {**classifier.output, "projection": z, "prediction": p}
    return keras.Model(classifier.input, outputs, name=classifier.name)


def _dense_norm(x, width, name):
    x = keras.layers.Dense(width, use_bias=False, dtype="float32", name=name)(x)
    return keras.layers.BatchNormalization(
        momentum=0.9, dtype="float32", name=f"{name}_norm"
    )(x)
