"""The contract between a plug-in and the frame."""

import keras


class PlugIn(keras.layers.Layer):
    """Something added to a scheme: views, outputs, a pseudo-label rule, losses, state.

    A plug-in is a layer, so that its weights are its state. Every method has a neutral
    default; a plug-in overrides the few it needs. Attributes of the class:

    * `views`: entries of the batch it reads, beyond the scheme's own;
    * `loss_weights`: name -> weight of each loss that `losses_of` returns.

    >>> class LogitNorm(PlugIn):
    ...     loss_weights = {"logit_norm": 1e-3}
    ...     def losses_of(self, step):
    ...         logits = step.outputs["image"]["logits"]
    ...         return {"logit_norm": tf.reduce_mean(tf.square(logits))}
    >>> model = FixMatch(classifier, plug_ins=[LogitNorm()])  # doctest: +SKIP
    """

    views = ()
    loss_weights = {}

    def attach(self, classifier):
        """The classifier with this plug-in's outputs; by default as it is."""
        return classifier

    def pseudo_labels(self, weak, default):
        """The pseudo-labels of the unlabelled faces.

        Args:
            weak: classifier outputs on their weak view.
            default: the rule of the scheme, or of the plug-in before this one; a
                function of `probs`, (batch, num_classes).

        Returns:
            labels, int (batch,), and mask, float (batch,).
        """
        return default(weak["probs"])

    def losses_of(self, step):
        """Name -> scalar, exactly the names in `loss_weights`, of a scheme's `Step`."""
        return {}

    def updates_of(self, step):
        """((variable, new value), ...), applied after a step with finite gradients."""
        return ()

    def epoch_end(self, model, labeled, unlabeled):
        """Work at the end of an epoch, on data sets of (image, label) without
        augmentation; `unlabeled` may be None. Needs the callback `EpochUpdate`."""
