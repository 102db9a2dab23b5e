"""Ada-CM (Li et al., CVPR 2022)."""

import math
from typing import Any

import tensorflow as tf

from kerasfer.layers import ConfidenceMargin
from kerasfer.losses import batch_mean, info_nce, masked_mean
from kerasfer.schedules import linear_ramp
from kerasfer.training.checks import require_above, require_within
from kerasfer.training.conventions import choose
from kerasfer.training.fit import CLASSES, HARD_LABELS, SHIFTED_LOGITS
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.own_outputs import confidences
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Dataset, Tensor

_MEANS = {"batch": lambda v, mask: batch_mean(v * mask), "subset": masked_mean}
CONVENTIONS = {
    "code": {"floor": 0.8, "unlabeled_mean": "batch", "symmetric": True},
    "paper": {"floor": 0.0, "unlabeled_mean": "subset", "symmetric": False},
}


class AdaCM(SemiSupervisedModel):
    """Pseudo-labels confident faces; learns from the rest by contrastive loss.

        p = (p(u_a) + p(u_b)) / 2 over two weak views; c = argmax p
        subset I:  max p >= T_c       subset II:  the others
        L = 0.5 mean H(y, p(x))  +  1 mean_I H(c, p(A(u)))
          + 0.1 mean_II InfoNCE(e(u_a), e(u_b))

    with one threshold a class, T_c, `ConfidenceMargin`, which moves at the end of each
    epoch by the averaged weights on the labelled faces. No gradient through p and the
    partition; InfoNCE's flows through both weak views.

    Where the paper and its authors' code differ; `convention` sets all, each argument
    overrides it:

    | argument         | "paper"                 | "code" (default)                 |
    |------------------|-------------------------|----------------------------------|
    | `floor` of T_c   | 0: none                 | 0.8                              |
    | `unlabeled_mean` | "subset": over subset I | "batch": others count as 0       |
    | `symmetric`      | False: anchors u_a      | True: both views are anchors     |
    | classifier       | not mentioned           | dropout 0.5, unit_embedding True |
    | EMA model        | not mentioned           | `ema_decay=0.999`, no warm-up    |

    The first release of the code gave InfoNCE no gradient: that is
    `loss_weights={"contrastive": 0}`.

    *Deviations from the code*: T_c is measured on labelled faces without augmentation,
    all of them (the code's loader augments and drops the last batch); the paper's
    algorithm measures before an epoch on its own weights. The EMA model's decay
    warms up, unless `ema_warmup=False`. Embeddings are scaled to unit length for
    InfoNCE, whatever the classifier does.

    *What it needs.* The papers start from a network that knows faces. From scratch
    nearly every face is below its margin, so that for a long time InfoNCE shapes the
    classifier's own embedding alone, and costs accuracy: give `contrastive_ramp`, or
    start from pretrained features.

    Logged per epoch: `margin_<k>`, the T_c in force, for class index k.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords. `loss_weights`
            are `supervised` 0.5, `unlabeled` 1 and `contrastive` 0.1.
        convention: "code" or "paper"; None below takes its value.
        floor: lowest threshold, in [0, 1].
        scale: B of Eq. 5, where thresholds tend for a classifier that is sure.
        growth: gamma of Eq. 5, above 1.
        initial: threshold of all classes in the first epoch. 0.8 is its code's.
        unlabeled_mean: "batch" or "subset", the denominator of the second term.
        symmetric: see `kerasfer.losses.info_nce`.
        temperature: of InfoNCE, > 0. 0.07 is its code's.
        contrastive_ramp: in [0, 1], fraction of the run over which the weight of
            InfoNCE rises from 0; 0 is the paper's and the code's full weight at once.

    Raises:
        ValueError: a choice or number outside of the above.

    >>> classifier = build_classifier("compact", (48, 48, 3), 7, dropout=0.5,
    ...                               unit_embedding=True)
    >>> model = AdaCM(classifier)
    """

    views = ("weak", "weak_2", "strong")
    offers = (CLASSES, HARD_LABELS, SHIFTED_LOGITS)
    loss_weights = {"supervised": 0.5, "unlabeled": 1.0, "contrastive": 0.1}

    def __init__(
        self,
        classifier: Classifier,
        convention: str = "code",
        floor: float | None = None,
        scale: float = 0.97,
        growth: float = math.e,
        initial: float = 0.8,
        unlabeled_mean: str | None = None,
        symmetric: bool | None = None,
        temperature: float = 0.07,
        contrastive_ramp: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        chosen = choose(
            convention,
            CONVENTIONS,
            floor=floor,
            unlabeled_mean=unlabeled_mean,
            symmetric=symmetric,
        )
        if chosen["unlabeled_mean"] not in _MEANS:
            raise ValueError(
                f"`unlabeled_mean` must be one of {', '.join(_MEANS)}. Received: "
                f"{unlabeled_mean!r}."
            )
        self.unlabeled_mean = _MEANS[chosen["unlabeled_mean"]]
        require_above(0, temperature=temperature)
        require_within(0, 1, contrastive_ramp=contrastive_ramp)
        self.contrastive_ramp = contrastive_ramp
        self.symmetric, self.temperature = chosen["symmetric"], temperature
        self.margin = ConfidenceMargin(
            self.classifier.output["probs"].shape[-1],
            chosen["floor"],
            scale,
            growth,
            initial,
            name="margin",
        )

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
            "weak_2": self.forward_weak(batch["weak_2"]),
            "strong": self.forward(batch["strong"]),
        }
        first, second, strong = (outputs[v] for v in ("weak", "weak_2", "strong"))

        # The partition: sure faces are subset I, the others subset II.
        pseudo = self.pseudo_labels(
            {name: (first[name] + second[name]) / 2.0 for name in first}
        )
        unsure = 1.0 - pseudo.mask

        cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
            pseudo.labels, self.adjust_logits(strong["logits"])
        )
        contrast = info_nce(
            first["embedding"],
            second["embedding"],
            unsure,
            self.temperature,
            self.symmetric,
        )
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "unlabeled": self.unlabeled_mean(cross_entropy, pseudo.mask),
            "contrastive": linear_ramp(self.progress(), self.contrastive_ramp)
            * masked_mean(contrast, unsure),
        }
        return Step(losses, labels, outputs, pseudo)

    def epoch_end(self, labeled: Dataset, unlabeled: Dataset | None) -> None:
        """Measures the confidence of right predictions on all labelled faces."""
        num_classes = self.margin.margins.shape[0]
        sums, counts = tf.zeros(num_classes), tf.zeros(num_classes)
        for images, labels in labeled:
            probs = confidences(self.infer_own(images))
            right = tf.argmax(probs, -1, labels.dtype) == labels
            one_hot = tf.one_hot(labels, num_classes)
            one_hot *= tf.cast(right, tf.float32)[:, None]
            confidence = tf.reduce_max(probs, -1, keepdims=True)
            sums += tf.reduce_sum(one_hot * confidence, 0)
            counts += tf.reduce_sum(one_hot, 0)
        self.margin.measure(sums, counts)

    def thresholds(self) -> Tensor | float | None:
        """T_c of all classes, float32 (num_classes,)."""
        return tf.convert_to_tensor(self.margin.margins)

    def epoch_logs(self) -> dict[str, float]:
        margins = tf.convert_to_tensor(self.margin.margins).numpy()
        return {f"margin_{k}": float(value) for k, value in enumerate(margins)}
