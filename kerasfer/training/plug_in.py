"""The contract between a plug-in and the frame."""

from collections.abc import Callable
from typing import Any

import keras

from kerasfer.training.step import Step
from kerasfer.types import Classifier, Dataset, Tensor


class PlugIn(keras.layers.Layer):
    """Something added to a scheme: views, outputs, a pseudo-label rule, losses, state.

    A plug-in is a layer, so that its weights are its state. Every method has a neutral
    default; a plug-in overrides the few it needs. Attributes:

    * `needs`: what the scheme must offer (`kerasfer.training.fit`), or its constructor
      refuses the pair;
    * `views`: entries of the batch it reads, beyond the scheme's own;
    * `loss_weights`: name -> weight of each loss that `losses_of` returns;
    * `not_averaged`: its variables that the EMA model takes as they are;
    * `train_metrics`, `test_metrics`: its metrics, updated by `observe_training` and
      `observe_test`; each appears in the logs under its name.

    >>> class LogitNorm(PlugIn):
    ...     loss_weights = {"logit_norm": 1e-3}
    ...     def losses_of(self, step):
    ...         logits = step.outputs["image"]["logits"]
    ...         return {"logit_norm": tf.reduce_mean(tf.square(logits))}
    >>> model = FixMatch(classifier, plug_ins=[LogitNorm()])
    """

    needs: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    loss_weights: dict[str, float] = {}
    not_averaged: Any = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Keras 2.15 tracks no metrics under the name of a class attribute.
        self.train_metrics: list[Any] = []
        self.test_metrics: list[Any] = []

    def attach(self, classifier: Classifier) -> Classifier:
        """The classifier with this plug-in's outputs; by default as it is.

        The scheme makes its targets from the new `probs`, unless the plug-in keeps the
        old ones as output `own_probs`: then from those.
        """
        return classifier

    def factors_on(self, scheme: Any) -> dict[str, float]:
        """Name -> factor on the default weight of a loss of the class `scheme`, where
        it has a loss of that name; by default none."""
        return {}

    def select(
        self, weak: dict[str, Tensor], rule: Callable[..., Any], scores: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The pseudo-labels of the unlabelled faces, and how much each counts.

        Args:
            weak: classifier outputs on their weak view.
            rule: the selection of the scheme, or of the plug-in before this one; a
                function of `scores`.
            scores: float (batch, num_classes), what confidence is read from.

        Returns:
            labels, int (batch,), and mask, float (batch,) in [0, 1].
        """
        return rule(scores)

    def adjust_thresholds(self, thresholds: Tensor) -> Tensor:
        """The thresholds of `select`: a number, one per class, or None where it has
        none; by default those it is given. For diagnostics."""
        return thresholds

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """The logits (batch, num_classes) of the strong view, on which pseudo-labels
        are learned; by default as they are."""
        return logits

    def losses_of(self, step: Step) -> dict[str, Tensor]:
        """Name -> scalar, exactly the names in `loss_weights`, of a scheme's `Step`."""
        return {}

    def updates_of(self, step: Step) -> tuple:
        """((variable, new value), ...), applied after a step with finite gradients."""
        return ()

    def observe_training(self, step: Step, audit_labels: Tensor) -> None:
        """Updates `train_metrics` from a `Step` with pseudo-labels.

        Called where the batch has "audit_label": the true classes of the unlabelled
        faces, int (unlabeled_batch,), -1 where unknown. Only metrics may read them.
        """

    def observe_test(self, labels: Tensor, outputs: dict[str, Tensor]) -> None:
        """Updates `test_metrics` from a batch of `evaluate` or of the validation."""

    @property
    def needs_epoch_update(self) -> bool:
        """Whether `epoch_end` has work to do; then `fit` needs `EpochUpdate`."""
        return type(self).epoch_end is not PlugIn.epoch_end

    def epoch_end(
        self, model: Any, labeled: Dataset, unlabeled: Dataset | None
    ) -> None:
        """Work at the end of an epoch, on data sets of (image, label) without
        augmentation; `unlabeled` may be None. Needs the callback `EpochUpdate`."""
