"""Progressive Teacher (Jiang and Deng, TAFFC 2023), a reconstruction."""

from typing import Any

import tensorflow as tf

from kerasfer.losses import batch_mean, masked_mean, probability_error
from kerasfer.schedules import linear_ramp
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Tensor


class ProgressiveTeacher(SemiSupervisedModel):
    """Mean Teacher that leaves out labelled faces which its teacher finds wrong.

        kept: the R(t) B labelled faces of the batch with the smallest H(y, p'(x))
        R(t) = 1 - r min(t / t_r, 1)
        L = mean_kept H(y, p(x)) + lambda_u w(t) mean (1/K) | p(u_2) - p'(u_1) |^2

    with p' the EMA model, in training mode, and w(t) a linear ramp.

    *This is a reconstruction.* Of the paper (arXiv 2205.14361) the abstract is at hand:
    a teacher and a student, a supervised loss on labelled faces that are selected
    progressively, and consistency on unlabelled ones. Chosen here, unknown there:

    - who ranks faces: the average, in training mode; it could be the student, or two
      networks that select for each other (Co-teaching);
    - R(t): Co-teaching's form, r = 0.1 over 0.4 of the run; there r is the noise rate;
    - where: within a batch, over all classes, so that rare classes suffer first;
    - faces left out: no longer learned; they might join the unlabelled ones;
    - consistency: squared error between two weak views, its weight and its ramp;
    - the teacher's decay, the backbone, the batch.

    No number of the paper speaks for these choices. With 30 % of the labels wrong it
    loses 4.37 points on RAF-DB: a run like that would tell selections apart.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords; `loss_weights`
            are `supervised` 1 and `unlabeled` 50.
        drop: r in [0, 1), the share of labelled faces left out in the end.
        drop_ramp: t_r, fraction of the run over which it is reached.
        ramp: fraction of the run over which lambda_u rises from 0.

    Raises:
        ValueError: `drop` out of range, or `ema_decay=0`: there is no teacher.

    >>> model = ProgressiveTeacher(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("weak", "weak_2")
    loss_weights = {"supervised": 1.0, "unlabeled": 50.0}

    def __init__(
        self,
        classifier: Classifier,
        drop: float = 0.1,
        drop_ramp: float = 0.4,
        ramp: float = 0.4,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        if not 0 <= drop < 1 or self.ema_classifier is None:
            raise ValueError(
                "Expected drop in [0, 1) and ema_decay > 0 (the average is the "
                f"teacher). Received: drop={drop}, ema_decay={self.ema_decay}."
            )
        self.drop, self.drop_ramp, self.ramp = drop, drop_ramp, ramp

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        teacher = self.ema_forward(batch["weak"])
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": teacher,
            "weak_2": self.forward_weak(batch["weak_2"]),
        }
        pseudo = Pseudo.most_probable(teacher["probs"])
        kept = self._clean(labels, self.ema_forward(batch["image"]))
        error = probability_error(teacher["probs"], outputs["weak_2"])
        supervised = self.supervised_loss(labels, outputs["image"])
        losses = {
            "supervised": masked_mean(supervised, kept),
            "unlabeled": linear_ramp(self.progress(), self.ramp) * batch_mean(error),
        }
        return Step(losses, labels, outputs, pseudo)

    def _clean(self, labels, teacher):
        """Mask of the R(t) B faces whose label the teacher finds likeliest."""
        loss = self.supervised_loss(labels, teacher)
        share = 1.0 - self.drop * linear_ramp(self.progress(), self.drop_ramp)
        count = tf.math.ceil(share * tf.cast(tf.size(loss), tf.float32))
        rank = tf.argsort(tf.argsort(loss, stable=True), stable=True)
        return tf.cast(tf.cast(rank, tf.float32) < count, tf.float32)
