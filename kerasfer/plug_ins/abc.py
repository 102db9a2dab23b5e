"""ABC: auxiliary balanced classifier (Lee et al., NeurIPS 2021)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.training.class_counts import checked_counts
from kerasfer.training.fit import CLASSES
from kerasfer.training.plug_in import PlugIn
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Tensor


class ABC(PlugIn):
    """A second linear head on the same embedding, trained on a balanced stream.

        L = L_scheme
          + mean_labeled M_b H(y, g(x))
          + sum over two strong views s of mean 1[max q >= tau] M'_b H(q, g(u_s))
        M_b  ~ Bernoulli(N_min / N_y)
        M'_b ~ Bernoulli(1 - t (1 - N_min / N_k)),  k = argmax q

    with q = softmax of the head g on the weak view, soft and a constant for the
    gradient, N the labelled faces of a class, and t the fraction of the run that is
    done. The means divide by the whole batch. At test time the head is used alone: it
    takes the place of `probs`; all targets of the scheme stay those of the first head.

    *Deviations*: the scheme learns on its own views (the authors' FixMatch on both
    strong ones); one draw of M' serves both strong views. With strong imbalance few
    faces are accepted: 0.4 of a batch of 16 with 3 of 877 in the smallest class.

    Args:
        class_counts: (num_classes,), labelled faces of each class, all at least 1.
        threshold: tau in [0, 1], inclusive. 0.95 is its code's.

    Raises:
        ValueError: a count below 1, or a classifier of other classes.

    >>> model = FixMatch(classifier, plug_ins=(ABC(class_counts),))
    """

    needs = (CLASSES,)
    views = ("weak", "strong", "strong_2", "uniform_labeled", "uniform_unlabeled")
    loss_weights = {"abc_labeled": 1.0, "abc_unlabeled": 1.0}

    def __init__(
        self, class_counts: Sequence[float], threshold: float = 0.95, **kwargs: Any
    ) -> None:
        super().__init__(**{"name": "abc", **kwargs})
        counts = checked_counts(class_counts)
        self.acceptance = (counts.min() / counts).astype("float32")
        self.threshold = threshold
        self.head = keras.layers.Dense(len(counts), dtype="float32", name="abc_logits")

    def attach(self, classifier: Classifier) -> Classifier:
        checked_counts(self.acceptance, classifier)
        logits = self.head(classifier.output["embedding"])
        probs = keras.layers.Activation("softmax", dtype="float32", name="abc_probs")
        outputs = {
            **classifier.output,
            "own_probs": classifier.output["probs"],
            "abc_logits": logits,
            "probs": probs(logits),
        }
        return keras.Model(classifier.input, outputs, name=classifier.name)

    def losses_of(self, step: Step) -> dict[str, Tensor]:
        acceptance = tf.constant(self.acceptance)
        of_class = tf.gather(acceptance, step.labels)
        kept = tf.cast(step.batch["uniform_labeled"] < of_class, tf.float32)
        labeled = tf.nn.sparse_softmax_cross_entropy_with_logits(
            step.labels, step.outputs["image"]["abc_logits"]
        )

        q = tf.stop_gradient(tf.nn.softmax(step.outputs["weak"]["abc_logits"]))
        confident = tf.cast(tf.reduce_max(q, -1) >= self.threshold, tf.float32)
        of_class = tf.gather(acceptance, tf.argmax(q, -1))
        chance = 1.0 - step.progress * (1.0 - of_class)
        mask = confident * tf.cast(step.batch["uniform_unlabeled"] < chance, tf.float32)
        unlabeled = tf.add_n(
            [
                tf.nn.softmax_cross_entropy_with_logits(q, outputs["abc_logits"])
                for outputs in (step.outputs["strong"], step.outputs["strong_2"])
            ]
        )
        return {
            "abc_labeled": batch_mean(kept * labeled),
            "abc_unlabeled": batch_mean(mask * unlabeled),
        }
