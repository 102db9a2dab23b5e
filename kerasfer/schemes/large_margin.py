"""Large margin on labelled and self-labelled faces (Racoviteanu et al., BMVC 2019)."""

from typing import Any

import tensorflow as tf

from kerasfer.layers import ClassMargin
from kerasfer.layers.class_margin import BALANCED
from kerasfer.losses import batch_mean
from kerasfer.training.checks import require_at_least
from kerasfer.training.fit import CLASSES, HARD_LABELS, check_fit
from kerasfer.training.margin_update import update_margin
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Step
from kerasfer.types import Classifier, Dataset, Tensor


class LargeMargin(SemiSupervisedModel):
    """Labels teach the last layer, labels and self-labels the embedding below it.

        k = y for a labelled face x, argmax p(u) for an unlabelled one u
        L = lambda_1 mean_labeled H(y, p) + lambda_2 w(t) mean_all L_M(k, e)

    with L_M the large margin, the center or the island loss (`ClassMargin`) to the
    centroids of the classes k, which step with each batch, and w(t) falling linearly
    from 1 to `final_weight`. No loss on the predictions of unlabelled faces, no
    gradient through k. The first epoch learns the labels alone; at its end the class
    means of the labelled faces become the first centroids, and lambda_2 is set.

    Source: Racoviteanu et al., "Large Margin Loss for Learning Facial Movements from
    Pseudo-Emotions", BMVC 2019, Eq. 1-4. *Not stated there*: the first epoch, when and
    by what the centroids move, the balance of the weights (`ClassMargin` has ours), a
    selection of self-labels (`threshold`, off). *Deviations*: L_M is a mean over
    labelled and unlabelled faces instead of a sum; the two pass through the network
    apart, so batch statistics are those of each.

    Logged per epoch: `margin_weight`, lambda_2 w(t) at its end; `centroid_shift`, how
    far the centroids' directions went in it, on average (the paper's Figure 4; NaN in
    the first). `margin_loss` is with that weight.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords. `loss_weights`
            are `supervised` (lambda_1) 1 and `margin` 1, times lambda_2.
        margin_loss: "large_margin", "center" or "island".
        unlabeled: whether unlabelled faces take part; False is the purely supervised
            margin, and asks for none.
        margin_weight: lambda_2, "balanced" or a number.
        final_weight: w at the end of the run; 1 keeps the weight.
        centroid_rate, pair_weight, squared: see `ClassMargin`.
        threshold: confidence from which a self-label takes part, in [0, 1]; 0 takes
            all, as the paper says nothing of a selection.

    Raises:
        ValueError: a choice or number outside of the above.

    >>> model = LargeMargin(build_classifier("compact", (48, 48, 3), 7),
    ...                     margin_loss="island")
    """

    offers = (CLASSES, HARD_LABELS)
    loss_weights = {"supervised": 1.0, "margin": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        margin_loss: str = "large_margin",
        unlabeled: bool = True,
        margin_weight: float | str = BALANCED,
        final_weight: float = 1.0,
        centroid_rate: float = 0.5,
        pair_weight: float = 10.0,
        squared: bool = False,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        require_at_least(0, threshold=threshold)
        self.threshold = threshold
        self.unlabeled = unlabeled
        if not unlabeled:
            for plug_in in self.plug_ins:
                check_fit(type(self), plug_in, offers=(CLASSES,))
        self.margin = ClassMargin(
            margin_loss,
            self.classifier.output["probs"].shape[-1],
            self.classifier.output["embedding"].shape[-1],
            margin_weight,
            final_weight,
            centroid_rate,
            pair_weight,
            squared,
            name="margin",
        )

    @property
    def views(self) -> tuple[str, ...]:
        return ("weak",) if self.unlabeled else ()

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {"image": self.forward(batch["image"])}
        embeddings, classes = outputs["image"]["embedding"], tf.cast(labels, tf.int32)
        counted, pseudo = tf.ones_like(labels, tf.float32), None
        if self.unlabeled:
            outputs["weak"] = self.forward_weak(batch["weak"])
            pseudo = self.pseudo_labels(outputs["weak"])
            embeddings = tf.concat([embeddings, outputs["weak"]["embedding"]], 0)
            classes = tf.concat([classes, pseudo.labels], 0)
            counted = tf.concat([counted, pseudo.mask], 0)

        margins = counted * self.margin.loss_of(embeddings, classes)
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "margin": self.margin.factor(self.progress()) * batch_mean(margins),
        }
        updates = self.margin.moved(embeddings, classes, counted)
        return Step(losses, labels, outputs, pseudo, updates)

    def epoch_end(self, labeled: Dataset, unlabeled: Dataset | None) -> None:
        update_margin(self, labeled, _annotated_classes)

    def epoch_logs(self) -> dict[str, float]:
        return self.margin.logs(self.progress())


def _annotated_classes(labels, outputs):
    return labels, tf.ones_like(labels, tf.float32)
