"""ReMoP's two classifiers and their mixture."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.losses.margin import unit
from kerasfer.types import Tensor

SIMILARITIES = ("dot", "distance", "cosine")


@keras.saving.register_keras_serializable("kerasfer")
class PrototypeHead(keras.layers.Layer):
    """A linear and a feature classifier, and their mixture.

        s_k = f . h_k  ("dot"),  f . h_k - |h_k|^2 / 2  ("distance"),  or cos(f, h_k)
        p   = softmax(beta z + (1 - beta) s)                       ("logits")
        p   = beta softmax(z) + (1 - beta) softmax(s)              ("probs")

    with f the embedding, z the logits of the linear classifier, h_k the prototype of
    class k, a trainable weight. "distance" is -|f - h_k|^2 / 2 but for what all classes
    share: the nearest prototype wins. The dot product lacks |h_k|^2, a bias for each
    class that is large while prototypes differ in length.

    "cosine" with "probs" is the paper's Eq. 5-6 as printed: beta softmax(z) + (1 -
    beta) s is a *score*, between -1 and 1, not a distribution. Then there is the output
    "scores", which pseudo-label rules and thresholds read; "probs" is its positive part
    divided by its sum (softmax of the scores where none is positive), for what needs a
    distribution: the same likeliest class.

    No gradient flows through s: prototypes learn by the losses on them alone.

    Source: ReMoP (IJCAI 2025), Eq. 5-6; mixing dot products into the logits is its
    code's.

    Input: [embedding (batch, width), logits (batch, num_classes)]. Output: dict of
    float32 (batch, num_classes), rows sum to 1: "probs" (p), "linear_probs"
    (softmax(z)) and "feature_probs" (softmax(s)); and "scores", see above.

    Args:
        num_classes: of the classifier.
        beta: weight of the linear classifier, in [0, 1]. 0.5 is the paper's.
        similarity: "dot", "distance" or "cosine".
        mixture: "logits" or "probs".
        ready: False leaves p = softmax(z) until `set_prototypes` is called.

    Raises:
        ValueError: a choice or beta outside of the above.

    >>> head = PrototypeHead(7)
    >>> head([tf.zeros((1, 128)), tf.zeros((1, 7))])["probs"]  # 1/7 each
    """

    def __init__(
        self,
        num_classes: int,
        beta: float = 0.5,
        similarity: str = "dot",
        mixture: str = "logits",
        ready: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        known = similarity in SIMILARITIES and mixture in ("logits", "probs")
        if not known or not 0 <= beta <= 1:
            raise ValueError(
                f"Expected beta in [0, 1], similarity in {SIMILARITIES}, mixture "
                f"'logits' or 'probs'. Received: beta={beta}, "
                f"similarity={similarity!r}, mixture={mixture!r}."
            )
        self.num_classes, self.beta = num_classes, beta
        self.similarity, self.mixture = similarity, mixture
        self.starts_ready = ready

    def build(self, input_shape: Any) -> None:
        width = input_shape[0][-1]
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(self.num_classes, width),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        start = "ones" if self.starts_ready else "zeros"
        self.ready = add_state(self, "ready", (), start)
        self.built = True

    def call(self, inputs: Any) -> Any:
        embedding, logits = inputs
        similarity = self._similarity(tf.stop_gradient(embedding))
        linear, feature = tf.nn.softmax(logits), tf.nn.softmax(similarity)
        single = {"linear_probs": linear, "feature_probs": feature}
        share = tf.convert_to_tensor(self.ready) * (1.0 - self.beta)
        if self.mixture == "logits":
            mixed = (1.0 - share) * logits + share * similarity
            return {"probs": tf.nn.softmax(mixed), **single}
        if self.similarity != "cosine":
            return {"probs": (1.0 - share) * linear + share * feature, **single}
        scores = (1.0 - share) * linear + share * similarity
        return {"probs": _distribution(scores), "scores": scores, **single}

    def set_prototypes(self, values: Tensor) -> None:
        """Sets the prototypes, (num_classes, width), and lets them take part."""
        self.prototypes.assign(values)
        self.ready.assign(1.0)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "beta": self.beta,
            "similarity": self.similarity,
            "mixture": self.mixture,
            "ready": self.starts_ready,
        }

    def _similarity(self, embedding):
        prototypes = tf.stop_gradient(tf.convert_to_tensor(self.prototypes))
        if self.similarity == "cosine":
            return tf.matmul(unit(embedding), unit(prototypes), transpose_b=True)
        products = tf.matmul(embedding, prototypes, transpose_b=True)
        if self.similarity == "dot":
            return products
        return products - tf.reduce_sum(tf.square(prototypes), -1) / 2.0


def _distribution(scores):
    positive = tf.maximum(scores, 0.0)
    total = tf.reduce_sum(positive, -1, keepdims=True)
    shares = tf.math.divide_no_nan(positive, total)
    return tf.where(total > 0, shares, tf.nn.softmax(scores))
