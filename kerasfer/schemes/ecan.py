"""ECAN (Li and Deng, "A Deeper Look at Facial Expression Dataset Bias", 2020)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer.losses import batch_mean
from kerasfer.losses.discrepancy import gaussian_kernel, mean_discrepancy
from kerasfer.targets import hard_pseudo_labels
from kerasfer.training.checks import require_within
from kerasfer.training.class_counts import checked_counts
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.reductions import all_reduce_mean
from kerasfer.training.state import add_state
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Tensor


class ECAN(SemiSupervisedModel):
    """Features of labelled faces and of unlabelled ones of another data set are made
    alike, as a whole and class by class.

        alpha_c = p_u(c) / p_l(c),  c the label
        M1 = || sum_i alpha_{y_i} phi(f_i) / sum_i alpha_{y_i} - mean_j phi(f'_j) ||^2
        M2 = sum_c || mean_{y_i = c} phi(f_i) - mean_{c_j = c} phi(f'_j) ||^2
        L = H(y, p(x)) + gamma M1 + lambda M2

    with c_j the argmax of q = p(u_j), p_l the share of a class in the labelled faces,
    p_u that in the unlabelled ones, phi the features of Gaussian kernels
    (`kerasfer.losses.discrepancy`). alpha lets the two sets have other shares of
    classes: without it M1 would bend features to make shares equal. For two data sets;
    where unlabelled faces are of the labelled ones' set, there is little to align.

    The equations are those of a benchmark's program (CD-FER), whose three slips are not
    followed: its distances are not squared, its sums within a set are halved, and M2's
    cross term has the wrong sign. gamma 0.3 and lambda 0.01 are its defaults.

    *Deviations* (only the paper's abstract was available): p_u is a running mean of q,
    where the program counts pseudo-labels every 20 epochs; M2 takes pseudo-labels with
    a confidence of `threshold` or more; batches are not drawn by class, as alpha
    corrects the shares; kernels are as wide as the batch's mean distance. On several
    devices the two distances are those of one device's faces.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords; `loss_weights`
            are `supervised` 1, `marginal` (gamma) 0.3 and `conditional` (lambda) 0.01.
        class_counts: (num_classes,), labelled faces of each class, for p_l; None takes
            as many of each.
        threshold: of the pseudo-labels in M2, in [0, 1].
        momentum: of p_u, in [0, 1].

    Raises:
        ValueError: a number out of range, or invalid counts.

    >>> model = ECAN(build_classifier("compact", (48, 48, 3), 7))
    """

    views = ("weak",)
    draws_of_the_set = True  # alpha corrects the shares that the labelled set has
    loss_weights = {"supervised": 1.0, "marginal": 0.3, "conditional": 0.01}

    def __init__(
        self,
        classifier: Classifier,
        class_counts: Sequence[float] | None = None,
        threshold: float = 0.5,
        momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        require_within(0, 1, threshold=threshold, momentum=momentum)
        self.threshold, self.momentum = threshold, momentum
        num_classes = self.classifier.output["probs"].shape[-1]
        counts = [1.0] * num_classes if class_counts is None else class_counts
        counts = checked_counts(counts, self.classifier)
        self.labeled_shares = tf.constant(counts / counts.sum(), tf.float32)
        start = keras.initializers.Constant(counts / counts.sum())
        self.unlabeled_shares = add_state(self, "unlabeled_shares", counts.shape, start)

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        outputs = {
            "image": self.forward(batch["image"]),
            "weak": self.forward_weak(batch["weak"]),
        }
        q = tf.stop_gradient(outputs["weak"]["probs"])
        mean = all_reduce_mean(tf.reduce_mean(q, 0))
        shares = self.momentum * tf.convert_to_tensor(self.unlabeled_shares)
        shares += (1.0 - self.momentum) * mean
        guesses, mask = hard_pseudo_labels(q, self.threshold)

        views = outputs["image"]["embedding"], outputs["weak"]["embedding"]
        kernel = gaussian_kernel(tf.concat(views, 0))
        here = tf.one_hot(labels, q.shape[-1])
        there = mask[:, None] * tf.one_hot(guesses, q.shape[-1])
        # Rows of both sets in one list; a set's weights are 0 in the other's places.
        labeled = tf.pad(here, [[0, tf.shape(there)[0]], [0, 0]])
        unlabeled = tf.pad(there, [[tf.shape(here)[0], 0], [0, 0]])
        alpha = tf.linalg.matvec(labeled, shares / self.labeled_shares)
        everyone = 1.0 - tf.reduce_sum(labeled, -1)
        by_class = [
            mean_discrepancy(kernel, labeled[:, c], unlabeled[:, c])
            for c in range(q.shape[-1])
        ]
        losses = {
            "supervised": batch_mean(self.supervised_loss(labels, outputs["image"])),
            "marginal": mean_discrepancy(kernel, alpha, everyone),
            "conditional": tf.add_n(by_class),
        }
        pseudo = Pseudo(guesses, mask, tf.reduce_max(q, -1))
        updates = ((self.unlabeled_shares, shares),)
        return Step(losses, labels, outputs, pseudo, updates)
