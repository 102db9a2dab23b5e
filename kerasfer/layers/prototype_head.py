"""ReMoP's two classifiers and their mixture."""

import keras
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.losses.margin import unit


@keras.saving.register_keras_serializable("kerasfer")
class PrototypeHead(keras.layers.Layer):
    """A linear and a feature classifier, and their mixture.

        s_k = f . h_k  ("dot"),  or its cosine  ("cosine")
        p   = softmax(beta z + (1 - beta) s)                       ("logits")
        p   = beta softmax(z) + (1 - beta) p_s                     ("probs")

    with f the embedding, z the logits of the linear classifier, h_k the prototype of
    class k, a trainable weight. p_s, the prediction of the feature classifier, is
    softmax(s) for "dot"; for "cosine" the positive cosines divided by their sum
    (uniform if none is positive), as the printed Eq. 5 is not a distribution.

    No gradient flows through s: prototypes learn by the losses on them alone.

    Source: ReMoP (IJCAI 2025), Eq. 5-6; mixing dot products into the logits is its
    code's.

    Input: [embedding (batch, width), logits (batch, num_classes)]. Output: dict of
    float32 (batch, num_classes), rows sum to 1: "probs" (p), "linear_probs"
    (softmax(z)) and "feature_probs" (p_s).

    Args:
        num_classes: of the classifier.
        beta: weight of the linear classifier, in [0, 1].
        similarity: "dot" or "cosine".
        mixture: "logits" or "probs".
        ready: False leaves p = softmax(z) until `set_prototypes` is called.

    Raises:
        ValueError: a choice or beta outside of the above.

    >>> head = PrototypeHead(7)
    >>> head([tf.zeros((1, 128)), tf.zeros((1, 7))])["probs"]  # 1/7 each
    """

    def __init__(
        self,
        num_classes,
        beta=0.5,
        similarity="dot",
        mixture="logits",
        ready=True,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        known = similarity in ("dot", "cosine") and mixture in ("logits", "probs")
        if not known or not 0 <= beta <= 1:
            raise ValueError(
                "Expected beta in [0, 1], similarity 'dot' or 'cosine', mixture "
                f"'logits' or 'probs'. Received: beta={beta}, "
                f"similarity={similarity!r}, mixture={mixture!r}."
            )
        self.num_classes, self.beta = num_classes, beta
        self.similarity, self.mixture = similarity, mixture
        self.starts_ready = ready

    def build(self, input_shape):
        width = input_shape[0][-1]
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(self.num_classes, width),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        start = "ones" if self.starts_ready else "zeros"
        self.ready = add_state(self, "ready", (), start)
        self.built = True

    def call(self, inputs):
        embedding, logits = inputs
        scores, feature = self._feature_prediction(tf.stop_gradient(embedding))
        linear = tf.nn.softmax(logits)
        share = tf.convert_to_tensor(self.ready) * (1.0 - self.beta)
        if self.mixture == "logits":
            probs = tf.nn.softmax((1.0 - share) * logits + share * scores)
        else:
            probs = (1.0 - share) * linear + share * feature
        return {"probs": probs, "linear_probs": linear, "feature_probs": feature}

    def set_prototypes(self, values):
        """Sets the prototypes, (num_classes, width), and lets them take part."""
        self.prototypes.assign(values)
        self.ready.assign(1.0)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "beta": self.beta,
            "similarity": self.similarity,
            "mixture": self.mixture,
            "ready": self.starts_ready,
        }

    def _feature_prediction(self, embedding):
        prototypes = tf.stop_gradient(tf.convert_to_tensor(self.prototypes))
        if self.similarity == "dot":
            scores = tf.matmul(embedding, prototypes, transpose_b=True)
            return scores, tf.nn.softmax(scores)
        scores = tf.matmul(unit(embedding), unit(prototypes), transpose_b=True)
        positive = tf.maximum(scores, 0.0)
        total = tf.reduce_sum(positive, -1, keepdims=True)
        uniform = tf.ones_like(scores) / self.num_classes
        shares = tf.math.divide_no_nan(positive, total)
        return scores, tf.where(total > 0, shares, uniform)
