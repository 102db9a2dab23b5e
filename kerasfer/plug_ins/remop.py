"""ReMoP: regularised mixture of predictions (IJCAI 2025)."""

from typing import Any

import keras
import tensorflow as tf

from kerasfer.layers import PrototypeHead, class_sums
from kerasfer.losses import batch_mean, center_loss, masked_mean, simplex_etf_penalty
from kerasfer.metrics import MacroF1, PredictionScores
from kerasfer.training.conventions import choose
from kerasfer.training.fit import CLASSES
from kerasfer.training.plug_in import PlugIn
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Dataset, Tensor

CONVENTIONS = {
    "code": {
        "similarity": "dot",
        "mixture": "logits",
        "penalty": "code",
        "center": "code",
        "unlabeled_factor": 0.2,
    },
    "paper": {
        "similarity": "cosine",
        "mixture": "probs",
        "penalty": "paper",
        "center": "paper",
        "unlabeled_factor": 1.0,
    },
}
_CENTER_VIEWS = ("strong", "weak_2", "weak")  # the first that a scheme forwards
_CENTER_INITS = ("normal", "labeled_mean", "epoch_mean")
_PREDICTIONS = {
    "linear": "linear_probs",
    "feature": "feature_probs",
    "mixture": "probs",
}


class ReMoP(PlugIn):
    """Pseudo-labels and predictions from a linear and a feature classifier together.

        p = mixture of the logits and the similarities f . h_k  (`PrototypeHead`)
        L = L_scheme + 1e-4 (mean || f(x) - h_y ||^2
                             + mean_kept || f(A(u)) - h_c ||^2) + 0.1 R(h)

    with h_k a trainable prototype of class k, c the pseudo-label of a kept face and R
    the `simplex_etf_penalty`, which spreads prototypes evenly however few faces a class
    has. The mixture takes the place of `probs`: in the pseudo-labels of any scheme and
    its thresholds, in `predict`, `evaluate`, and the exported classifier.

    Where the paper and its authors' code differ; `convention` sets all, each argument
    overrides it:

    | argument           | "paper"                     | "code" (default)             |
    |--------------------|-----------------------------|------------------------------|
    | `similarity`       | "cosine" (Eq. 5)            | "dot"                        |
    | `mixture`          | "probs" (Eq. 6)             | "logits", then softmax       |
    | `penalty`          | "paper": sum of squares     | "code": Frobenius norm of    |
    |                    | off the diagonal (Eq. 8)    | the whole, smallest K/(K-1)  |
    | `center`           | "paper": 1/2, over the      | "code": no 1/2, over the     |
    |                    | batch, others count as 0    | kept faces                   |
    | `unlabeled_factor` | 1 (Eq. 3)                   | 0.2, on FixMatch             |
    | iterations, epochs | 1000, 100 (FER+ 80)         | 800, 100                     |
    | classifier         | not mentioned               | `build_classifier(...,       |
    |                    |                             | dropout=0.5)`                |

    *Runs shorter than the papers'* (100,000 steps): `similarity="distance"`, the dot
    product less |h|^2 / 2. Until prototypes have reached the class means, the dot
    product is dominated by their lengths, and the mixture is worse than the linear
    classifier alone. "paper" mixes a probability and a cosine, as printed: a score, of
    which `PrototypeHead` gives a distribution beside it.

    *Deviations from the code*: one optimizer for classifier and prototypes; Adam is
    invariant to gradient scale up to its epsilon, so use epsilon 1e-8 as there. With
    another optimizer, multiply the prototypes' learning rate by 1 / 1e-4. Weak
    and strong views as the scheme forwards them. Prototypes drawn from N(0, 1) make the
    mixture confident noise until they have moved, thousands of steps at a rate of 1e-4:
    watch the histogram of pseudo-labels, or use `center_init="labeled_mean"`. A scheme
    without a strong view learns the centers on its weak one.

    Logged by `evaluate` and validation: accuracy, mean class accuracy and macro F1 of
    each prediction (`linear_accuracy`, `feature_f1`, `mixture_...`; the paper's Figure
    3); in training, where audit labels are known, the macro F1 of the three kinds of
    pseudo-label on the weak view, of all faces (`linear_pseudo_f1`, ...; Figure 1b).

    Args:
        num_classes: of the classifier.
        beta: weight of the linear classifier in the mixture, in [0, 1]. 0.5 is the
            paper's.
        convention: "code" or "paper"; None below takes its value.
        similarity: "dot", "distance" or "cosine".
        mixture: "logits" or "probs".
        penalty: "code" or "paper".
        center: "code" or "paper".
        unlabeled_factor: on the default weight of the scheme's loss `unlabeled`, if it
            has one; None is the convention's on FixMatch and 1 on every other scheme.
        center_init: "normal": prototypes from N(0, 1); "labeled_mean": the mixture is
            the linear prediction until the end of the first epoch, when prototypes
            become the mean embeddings of the labelled faces (needs `EpochUpdate`); the
            losses on prototypes wait too, so that the optimizer's moments start at 0;
            "epoch_mean": again at the end of every epoch. At a pretrained network's
            rate of 1e-4 prototypes move 0.1 in 1,000 steps, embeddings much more.

    Raises:
        ValueError: another choice, or a classifier of other classes.

    >>> model = FixMatch(classifier, plug_ins=(ReMoP(num_classes=8),))
    """

    needs = (CLASSES,)
    loss_weights = {"center": 1e-4, "unlabeled_center": 1e-4, "simplex": 0.1}

    def __init__(
        self,
        num_classes: int,
        beta: float = 0.5,
        convention: str = "code",
        similarity: str | None = None,
        mixture: str | None = None,
        penalty: str | None = None,
        center: str | None = None,
        unlabeled_factor: float | None = None,
        center_init: str = "normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "remop", **kwargs})
        chosen = choose(
            convention,
            CONVENTIONS,
            similarity=similarity,
            mixture=mixture,
            penalty=penalty,
            center=center,
            unlabeled_factor=unlabeled_factor,
        )
        if chosen["center"] not in CONVENTIONS or center_init not in _CENTER_INITS:
            raise ValueError(
                f"Expected `center` in {tuple(CONVENTIONS)} and `center_init` in "
                f"{_CENTER_INITS}. Received: center={center!r}, "
                f"center_init={center_init!r}."
            )
        self.penalty, self.center = chosen["penalty"], chosen["center"]
        self.unlabeled_factor = unlabeled_factor
        self.fixmatch_factor = chosen["unlabeled_factor"]
        self.center_init = center_init
        self.head = PrototypeHead(
            num_classes,
            beta,
            chosen["similarity"],
            chosen["mixture"],
            ready=center_init == "normal",
            name="prototype_head",
        )
        self.test_metrics = [PredictionScores(num_classes, n) for n in _PREDICTIONS]
        self.train_metrics = [
            MacroF1(num_classes, f"{name}_pseudo_f1") for name in _PREDICTIONS
        ]

    def attach(self, classifier: Classifier) -> Classifier:
        num_classes = classifier.output["logits"].shape[-1]
        if num_classes != self.head.num_classes:
            raise ValueError(
                f"ReMoP(num_classes={self.head.num_classes}) does not fit a classifier "
                f"of {num_classes} classes."
            )
        if "own_probs" in classifier.output:
            raise ValueError(
                "ABC predicts by its own head, so it goes after ReMoP. Expected "
                "plug_ins=(ReMoP(...), ABC(...)). Received: ABC first."
            )
        mixed = self.head([classifier.output["embedding"], classifier.output["logits"]])
        return keras.Model(
            classifier.input, {**classifier.output, **mixed}, name=classifier.name
        )

    def factors_on(self, scheme: Any) -> dict[str, float]:
        if self.unlabeled_factor is not None:
            return {"unlabeled": self.unlabeled_factor}
        # The authors' FixMatch has it; their Ada-CM has the weight of its own paper.
        is_fixmatch = scheme.__name__ == "FixMatch"
        return {"unlabeled": self.fixmatch_factor} if is_fixmatch else {}

    @property
    def not_averaged(self) -> tuple:
        return (self.head.prototypes, self.head.ready)

    def losses_of(self, step: Step) -> dict[str, Tensor]:
        prototypes = tf.convert_to_tensor(self.head.prototypes)
        ready = tf.convert_to_tensor(self.head.ready)
        labeled = center_loss(
            step.labels, step.outputs["image"]["embedding"], prototypes
        )
        factor = ready * (0.5 if self.center == "paper" else 1.0)
        return {
            "center": factor * batch_mean(labeled),
            "unlabeled_center": factor * self._unlabeled_center(step, prototypes),
            "simplex": ready * simplex_etf_penalty(prototypes, self.penalty),
        }

    def observe_training(self, step: Step, audit_labels: Tensor) -> None:
        self._observe(self.train_metrics, audit_labels, step.outputs["weak"])

    def observe_test(self, labels: Tensor, outputs: dict[str, Tensor]) -> None:
        self._observe(self.test_metrics, labels, outputs)

    @property
    def needs_epoch_update(self) -> bool:
        return self.center_init != "normal"

    def epoch_end(
        self, model: Any, labeled: Dataset, unlabeled: Dataset | None
    ) -> None:
        """Sets the prototypes to class means: once, or at the end of each epoch."""
        once = self.center_init == "labeled_mean"
        if once and tf.convert_to_tensor(self.head.ready) == 1.0:
            return
        sums: Any = 0.0
        counts: Any = 0.0
        for images, labels in labeled:
            embeddings = model.infer_own(images)["embedding"]
            one_hot = tf.one_hot(labels, self.head.num_classes)
            of_batch = class_sums(embeddings, one_hot)
            sums, counts = sums + of_batch[0], counts + of_batch[1]
        means = tf.math.divide_no_nan(sums, counts[:, None])
        drawn = tf.convert_to_tensor(self.head.prototypes)
        self.head.set_prototypes(tf.where(counts[:, None] > 0, means, drawn))

    def _unlabeled_center(self, step, prototypes):
        if step.pseudo is None:
            return tf.zeros(())
        view = next(v for v in _CENTER_VIEWS if v in step.outputs)
        embeddings = step.outputs[view]["embedding"]
        pull = center_loss(step.pseudo.labels, embeddings, prototypes)
        if self.center == "paper":
            return batch_mean(step.pseudo.mask * pull)
        return masked_mean(pull, step.pseudo.mask)

    def _observe(self, metrics, labels, outputs):
        for metric, name in zip(metrics, _PREDICTIONS.values(), strict=True):
            metric.update_state(labels, outputs[name])
