"""Action units by pseudo-emotions (Racoviteanu et al., BMVC 2019)."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from kerasfer.action_units import EMOTIONET, emotions_of
from kerasfer.layers import ClassMargin
from kerasfer.layers.class_margin import BALANCED
from kerasfer.losses import action_unit_error, batch_mean
from kerasfer.targets.pseudo_emotions import pseudo_emotion_scores
from kerasfer.targets.pseudo_labels import hard_pseudo_labels
from kerasfer.training.margin_update import update_margin
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Dataset, Tensor


class PseudoEmotion(SemiSupervisedModel):
    """Action units from annotated faces, an embedding of emotions from all faces.

        a = action units that the network gives for a face
        u = argmax_k f_k(a), the pseudo-emotion       (`pseudo_emotion_scores`)
        L = lambda_3 mean_labeled |y - a|^2 + lambda_4 w(t) mean_all L_M(u, e)

    with L_M the large margin, the center or the island loss (`ClassMargin`) to the
    centroids of the pseudo-emotions, which step with each batch, and w(t) falling
    linearly from 1 to `final_weight`. All faces, annotated ones too, have the
    pseudo-emotion of what the network gives; no gradient through u, and no loss on the
    action units of unlabelled faces. The first epoch learns the annotations alone; at
    its end the means over the annotated faces become the first centroids, and lambda_4
    is set.

    Source: Racoviteanu et al., "Large Margin Loss for Learning Facial Movements from
    Pseudo-Emotions", BMVC 2019, Eq. 6-7. *Not stated there*: the same as for
    `LargeMargin`; which of Ekman's tables (`table`); how lambda_4 decreases ("over
    iterations"). *Deviations*: as for `LargeMargin`, and `norm="sqrt"` where the paper
    normalises by the count, with which fear is rarely assigned.

    Logged: as for `LargeMargin`. Pseudo-labels are the emotions, in the order of
    `emotions`: `PseudoLabelAudit(path, model.emotions)` writes how many faces got each.

    Args:
        classifier: as `build_classifier(..., num_aus, activation="sigmoid")` makes it;
            see `SemiSupervisedModel`, as for further keywords. `loss_weights` are
            `supervised` (lambda_3) 1 and `margin` 1, times lambda_4.
        au_names: of the classifier's outputs, in their order.
        table: "emfacs", "facs", "du", or your own; see `pseudo_emotion_scores`.
        norm: "sqrt", "count" (the paper's), "contrast" or "standard".
        lowest_score: faces whose largest score is below it are left out of L_M and of
            the centroids (a neutral face resembles no emotion); None leaves out none.
        margin_loss, unlabeled, margin_weight, final_weight, centroid_rate, pair_weight,
            squared: as for `LargeMargin`.
        supervised_loss: `action_unit_error`, `action_unit_cross_entropy`, or your own.

    Raises:
        ValueError: a choice or number outside of the above, or another number of names
            than outputs.

    >>> classifier = build_classifier("compact", (48, 48, 3), 12, activation="sigmoid")
    >>> model = PseudoEmotion(classifier)
    """

    offers = ()  # faces have action units
    loss_weights = {"supervised": 1.0, "margin": 1.0}

    def __init__(
        self,
        classifier: Classifier,
        au_names: Sequence[str] = EMOTIONET,
        table: str = "emfacs",
        norm: str = "sqrt",
        lowest_score: float | None = None,
        margin_loss: str = "large_margin",
        unlabeled: bool = True,
        margin_weight: float | str = BALANCED,
        final_weight: float = 0.1,
        centroid_rate: float = 0.5,
        pair_weight: float = 10.0,
        squared: bool = False,
        supervised_loss: Callable[..., Tensor] = action_unit_error,
        **kwargs: Any,
    ) -> None:
        emotions = emotions_of(table)
        super().__init__(
            classifier,
            supervised_loss=supervised_loss,
            num_pseudo_classes=len(emotions),
            **kwargs,
        )
        self.emotions = emotions
        self.scores_of = functools.partial(
            pseudo_emotion_scores, table=table, norm=norm, au_names=tuple(au_names)
        )
        self.lowest_score = -math.inf if lowest_score is None else lowest_score
        self.unlabeled = unlabeled
        # Fails here, not in the first step, where names and outputs do not fit.
        self.scores_of(tf.zeros((1, self.classifier.output["probs"].shape[-1])))
        self.margin = ClassMargin(
            margin_loss,
            len(emotions),
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
        embeddings, pseudo = outputs["image"]["embedding"], None
        emotions, counted = self._emotions(outputs["image"])
        if self.unlabeled:
            outputs["weak"] = weak = self.forward_weak(batch["weak"])
            scores = self.scores_of(weak["probs"])
            pseudo = Pseudo.most_probable(scores, self._strongest(scores)[1])
            embeddings = tf.concat([embeddings, weak["embedding"]], 0)
            emotions = tf.concat([emotions, pseudo.labels], 0)
            counted = tf.concat([counted, pseudo.mask], 0)

        margins = counted * self.margin.loss_of(embeddings, emotions)
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "margin": self.margin.factor(self.progress()) * batch_mean(margins),
        }
        updates = self.margin.moved(embeddings, emotions, counted)
        return Step(losses, labels, outputs, pseudo, updates)

    def epoch_end(self, labeled: Dataset, unlabeled: Dataset | None) -> None:
        update_margin(self, labeled, lambda _, outputs: self._emotions(outputs))

    def epoch_logs(self) -> dict[str, float]:
        return self.margin.logs(self.progress())

    def _emotions(self, outputs):
        """The pseudo-emotion of each face, and whether it counts."""
        return self._strongest(self.scores_of(outputs["probs"]))

    def _strongest(self, scores):
        return hard_pseudo_labels(scores, self.lowest_score)
