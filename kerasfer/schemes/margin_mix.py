"""Margin-Mix (Florea et al., ECCV 2020)."""

from typing import Any

import tensorflow as tf

from kerasfer.layers import ClassCentroids
from kerasfer.losses import batch_mean, large_margin_loss, probability_error
from kerasfer.schedules import linear_ramp
from kerasfer.targets.pseudo_labels import MEMBERSHIPS, centroid_memberships, sharpen
from kerasfer.training.checks import require_above, require_within
from kerasfer.training.class_means import summed_embeddings
from kerasfer.training.mixed_forward import mixed_forward
from kerasfer.training.model import SemiSupervisedModel
from kerasfer.training.step import Pseudo, Step
from kerasfer.types import Classifier, Dataset, Tensor

_CENTROID_IMAGES = ("labeled", "all")


class MarginMix(SemiSupervisedModel):
    """Soft self-labels from distances to class centroids, MixUp, a large margin.

        q_b = mean over two weak views of softmax_k(-D_k / tau_d), sharpened by T
        D_k = | unit(e'(u) - m) - unit(c_k - m) |,  m = mean of the centroids
        (x', y') = MixUp of labelled faces (one-hot y) and both weak views (q)
        L = mean_labeled H(y', p(x'))
          + lambda_U r(t) mean_unlabeled (1/K) |y' - p(x')|^2
          + lambda_M mean_all L_M(y', e(x'))

    e' is the embedding by the EMA model in inference mode, the centroids c are class
    means of e'; r(t) is a linear ramp; L_M the `large_margin_loss` on soft labels, of
    the same centred embeddings. Until the first centroids, at the end of the first
    epoch, the loss is that of labelled faces alone, unmixed.

    Embeddings after a ReLU share a large mean: without m all centroids point almost the
    same way, and q is nearly uniform. The defaults are those that measured best on
    validation faces (docs/measured/README.md); the mixing weights are the data set's,
    whose default alpha is 0.75.

    *Reconstruction.* Only the abstract and the supplement of the paper were available.
    They state: self-labels are soft values made from the distances to all class
    centroids, labelled and unlabelled faces are combined by MixUp, the network learns a
    large margin, and the code grew from MixMatch for PyTorch. Not stated there, and
    chosen here: the formula of q and tau_d, the centring, which copy makes q, the large
    margin on mixed labels, lambda_M, the ramp, and when centroids move.

    *Deviations from MixMatch for PyTorch*: mixing weights per face instead of per batch
    (as MixMatch's own code); one forward pass for all mixed faces, so batch statistics
    are those of the mixture; self-labels by the EMA model, there by the weights
    that are trained.

    Args:
        classifier: see `SemiSupervisedModel`, as for further keywords. `loss_weights`
            are `supervised` 1, `unlabeled` (lambda_U) 20 and `margin` (lambda_M) 0.1. A
            `supervised_loss` of your own must accept soft labels.
        membership: "softmax" of negative distances, or "inverse" squared distances.
        temperature: tau_d > 0, for "softmax".
        sharpening: T > 0 of MixMatch; 1 leaves the labels soft. 0.5 is MixMatch's.
        ramp: fraction of the run over which lambda_U rises from 0.
        centroid_images: "labeled" faces, or "all": unlabelled ones too, weighted by
            memberships, q of one view without augmentation and sharpening, from the
            second epoch on.
        centroid_momentum: in [0, 1): centroids also move within an epoch, towards the
            class means of the labelled faces of the batch; 1 leaves them in place.

    Raises:
        ValueError: another `membership` or `centroid_images`, or a number out of range.

    >>> model = MarginMix(build_classifier("compact", (48, 48, 3), 8))
    """

    views = ("weak", "weak_2", "mix_weight", "mix_key")
    loss_weights = {"supervised": 1.0, "unlabeled": 20.0, "margin": 0.1}

    def __init__(
        self,
        classifier: Classifier,
        membership: str = "softmax",
        temperature: float = 0.1,
        sharpening: float = 0.5,
        ramp: float = 0.8,
        centroid_images: str = "labeled",
        centroid_momentum: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, **kwargs)
        _check_choices(membership, centroid_images)
        require_above(0, temperature=temperature, sharpening=sharpening)
        require_within(0, 1, ramp=ramp, centroid_momentum=centroid_momentum)
        self.membership, self.temperature = membership, temperature
        self.sharpening, self.ramp = sharpening, ramp
        self.centroid_images = centroid_images
        self.centroid_momentum = centroid_momentum
        width = self.classifier.output["embedding"].shape[-1]
        num_classes = self.classifier.output["probs"].shape[-1]
        self.centroids = ClassCentroids(num_classes, width, name="centroids")

    def scheme_step(self, batch: dict[str, Tensor], labels: Tensor) -> Step:
        known = tf.convert_to_tensor(self.centroids.known)
        ready = tf.reduce_max(known)  # 0 until the first centroids

        # Self-labels: the mean membership of the two weak views.
        outputs = {view: self.measure(batch[view]) for view in ("weak", "weak_2")}
        first, second = (self._memberships(values) for values in outputs.values())
        q = sharpen((first + second) / 2, self.sharpening)

        # MixUp of everything with everything; weight 1 leaves the faces as they are.
        targets = tf.concat([tf.one_hot(labels, known.shape[0]), q, q], 0)
        mixed = mixed_forward(
            self,
            batch,
            ("image", "weak", "weak_2"),
            targets,
            tf.where(ready > 0, batch["mix_weight"], 1.0),
        )
        margins = large_margin_loss(mixed.targets, *self._centered(mixed.outputs))
        weight = ready * linear_ramp(self.progress(), self.ramp)
        losses = {
            "supervised": batch_mean(self.supervised_loss(*mixed.labeled)),
            "unlabeled": weight * batch_mean(probability_error(*mixed.unlabeled)),
            "margin": ready * batch_mean(margins),
        }
        updates = self.centroids.moved(
            mixed.labeled[1]["embedding"], mixed.labeled[0], self.centroid_momentum
        )
        pseudo = Pseudo.most_probable(q, ready)
        outputs["image"] = mixed.labeled[1]
        return Step(losses, labels, outputs, pseudo, updates)

    def epoch_end(self, labeled: Dataset, unlabeled: Dataset | None) -> None:
        """Re-estimates the centroids over whole data sets, by the averaged weights."""
        num_classes = self.centroids.known.shape[0]
        parts = [
            summed_embeddings(
                self, labeled, lambda labels, _: tf.one_hot(labels, num_classes)
            )
        ]
        if self.centroid_images == "all" and tf.reduce_max(self.centroids.known) > 0:
            if unlabeled is None:
                raise ValueError(
                    'centroid_images="all" needs the unlabelled faces. Give them to '
                    "the callback: EpochUpdate(labeled, unlabeled)."
                )
            parts.append(
                summed_embeddings(
                    self, unlabeled, lambda _, outputs: self._memberships(outputs)
                )
            )
        sums, counts = (tf.add_n(list(terms)) for terms in zip(*parts, strict=True))
        self.centroids.set_means(sums, counts)

    def _centered(self, outputs):
        """Embeddings and centroids less the mean of the known centroids."""
        centroids = tf.convert_to_tensor(self.centroids.centroids)
        known = tf.convert_to_tensor(self.centroids.known)[:, None]
        total = tf.reduce_sum(known * centroids, 0)
        mean = tf.math.divide_no_nan(total, tf.reduce_sum(known))
        return outputs["embedding"] - mean, centroids - mean

    def _memberships(self, outputs):
        return centroid_memberships(
            *self._centered(outputs),
            tf.convert_to_tensor(self.centroids.known),
            self.membership,
            self.temperature,
        )


def _check_choices(membership, centroid_images):
    if membership not in MEMBERSHIPS or centroid_images not in _CENTROID_IMAGES:
        raise ValueError(
            f"Expected membership in {MEMBERSHIPS} and centroid_images in "
            f"{_CENTROID_IMAGES}. Received: membership={membership!r}, "
            f"centroid_images={centroid_images!r}."
        )
