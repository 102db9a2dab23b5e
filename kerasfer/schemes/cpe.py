"""CPE: complementary experts (Ma et al., AAAI 2024)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasfer.losses import batch_mean, cross_entropy
from kerasfer.losses.reductions import all_reduce_sum, num_replicas
from kerasfer.targets.pseudo_labels import hard_pseudo_labels
from kerasfer.training.checks import require_at_least
from kerasfer.training.class_counts import checked_counts
from kerasfer.training.feature_map import feature_map_of
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Tensor

_PARTS = ("head", "medium", "tail")
_TEST_EXPERT = 1


class CPE(SemiSupervisedModel):
    """Three experts with different logit adjustments, and three batch normalisations.

        z^j = mean of expert j's logits z^j_H, z^j_M, z^j_T on three normalised maps
        L_s = sum_j mean H(y, z^j(x) + a_j log pi),  a = `adjustments` = (0, 2, 4)
        L_u = sum_j (sum_all m H(c, z^j_H) + sum_medium m H(c, z^j_M)
                     + sum_tail m H(c, z^j_T)) / number of those terms

    where expert j has its own pseudo-labels c = argmax z^j(u) and mask m = 1[max >=
    tau], pi is the share of each class among the labelled faces, "medium" are faces
    whose label is of rank `cuts[0]` or rarer and "tail" of rank `cuts[1]` or rarer,
    classes ordered by `class_counts`. The second expert predicts, without adjustment.

    It replaces the last layer of the classifier, and its pooling: the map of the layer
    `feature_map` goes through three batch normalisations, which see the same faces and
    differ in which gradients they get. `embedding` is the mean of the three.

    *What it needs.* The second expert is trained on z + 2 log pi and predicts by z:
    while the fit is poor that favours rare classes. It wants pretrained features and
    long training.

    *Deviations*: three forward passes, one a view; the cuts for seven or eight classes
    are those of CIFAR-10. All other settings agree in paper and code, so there are no
    presets; optimizer, batch size and mu 2 are the caller's.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords, with a layer
            `feature_map`; `loss_weights` are `supervised` 1 and `unlabeled` 1. The
            frame's `supervised_loss` is not used.
        class_counts: (num_classes,), labelled faces of each class, all at least 1.
        threshold: tau in [0, 1], inclusive. 0.95 is its code's.
        adjustments: a_j of the three experts, tau_j in the paper.
        cuts: ranks from which a class is medium and tail.

    Raises:
        ValueError: a count below 1, or a classifier of other classes or without the
            layer `feature_map`.

    >>> model = CPE(classifier, class_counts)
    """

    views = ("weak", "strong")
    loss_weights = {"supervised": 1.0, "unlabeled": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        class_counts: Sequence[float],
        threshold: float = 0.95,
        adjustments: Sequence[float] = (0.0, 2.0, 4.0),
        cuts: Sequence[int] = (2, 4),
        **kwargs: Any,
    ) -> None:
        counts = checked_counts(class_counts, classifier)
        super().__init__(with_experts(classifier), **kwargs)
        require_at_least(0, threshold=threshold)
        if self.loss_function is not cross_entropy:
            raise ValueError(
                "CPE's experts have losses of their own; `supervised_loss` would not "
                "be used. Leave it out."
            )
        self.threshold = threshold
        shares = np.maximum(counts / counts.sum(), 1e-6)
        self.shifts = np.outer(adjustments, np.log(shares)).astype("float32")
        ranks = np.empty(len(counts), int)
        ranks[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        # Which parts learn from a pseudo-label: (part, class).
        self.parts = np.stack([ranks >= cut for cut in (0, *cuts)]).astype("float32")

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
            "strong": self.forward(batch["strong"]),
        }
        labeled, weak, strong = (
            outputs[view]["expert_logits"] for view in ("image", "weak", "strong")
        )  # (batch, expert, part, class)
        supervised, unlabeled = [], []
        for expert, shift in enumerate(self.shifts):
            logits = tf.reduce_mean(labeled[:, expert], 1) + shift
            supervised.append(batch_mean(cross_entropy(labels, {"logits": logits})))
            probs = tf.nn.softmax(tf.reduce_mean(weak[:, expert], 1))
            guesses, mask = hard_pseudo_labels(probs, self.threshold)
            unlabeled.append(self._unlabeled(strong[:, expert], guesses, mask))
        tested = outputs["weak"]["probs"]
        pseudo = Pseudo.most_probable(
            tested, hard_pseudo_labels(tested, self.threshold)[1]
        )
        losses = {"supervised": tf.add_n(supervised), "unlabeled": tf.add_n(unlabeled)}
        return Step(losses, labels, outputs, pseudo)

    def _unlabeled(self, logits, guesses, mask):
        """Of one expert: over all terms that are selected, on all replicas."""
        terms = mask[:, None] * tf.gather(tf.transpose(self.parts), guesses)
        targets = tf.repeat(guesses[:, None], len(_PARTS), 1)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        count = all_reduce_sum(tf.reduce_sum(terms)) / num_replicas()
        return tf.math.divide_no_nan(tf.reduce_sum(terms * loss), count)


def with_experts(classifier: Classifier) -> Classifier:
    """The classifier with three experts on three normalised maps.

    Outputs "expert_logits" (batch, 3 experts, 3 parts, num_classes), "embedding",
    "logits" and "probs" of the second expert.

    Raises:
        ValueError: there is no layer `feature_map`.
    """
    feature_map = feature_map_of(classifier)
    num_classes = classifier.output["logits"].shape[-1]
    layers, single = keras.layers, {"dtype": "float32"}  # under any precision
    pooled = []
    for part in _PARTS:
        norm = layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, name=f"norm_{part}", **single
        )
        pool = layers.GlobalAveragePooling2D(name=f"pooling_{part}", **single)
        pooled.append(pool(norm(feature_map)))
    stacked = layers.Concatenate(1, name="parts", **single)(
        [layers.Reshape((1, -1), **single)(features) for features in pooled]
    )
    experts = [
        layers.Dense(num_classes, name=f"expert_{number}", **single)(stacked)
        for number in (1, 2, 3)
    ]
    logits = layers.Concatenate(1, name="expert_logits", **single)(
        [layers.Reshape((1, len(_PARTS), -1), **single)(expert) for expert in experts]
    )
    mean = layers.GlobalAveragePooling1D(name="test_logits", **single)
    test = mean(experts[_TEST_EXPERT])
    probs = layers.Activation("softmax", name="expert_probs", **single)
    outputs = {
        "embedding": layers.GlobalAveragePooling1D(name="mean", **single)(stacked),
        "logits": test,
        "probs": probs(test),
        "expert_logits": logits,
    }
    return keras.Model(classifier.input, outputs, name=classifier.name)
