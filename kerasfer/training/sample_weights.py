"""Weights of labelled faces, as `fit` and Keras' `class_weight` give them."""

import contextlib

import tensorflow as tf


class SampleWeights:
    """The weights of a step's labelled faces, found by the tensor of their labels.

    Replicas trace at the same time, so weights are looked up by their label tensor,
    not stored in one attribute.
    """

    def __init__(self):
        self._given = {}

    @contextlib.contextmanager
    def of(self, labels, weights, scheme):
        """For the time of a step.

        Args:
            labels: of the step.
            weights: float (batch,), or None for 1 each.
            scheme: its name, for the error.

        Raises:
            ValueError: the scheme did not use them.
        """
        if weights is None:
            yield
            return
        entry = {"weights": tf.reshape(weights, (-1,)), "used": False}
        self._given[id(labels)] = entry
        try:
            yield
        finally:
            del self._given[id(labels)]
        if not entry["used"]:
            raise ValueError(_no_use(scheme))

    def applied(self, labels, losses, scheme):
        """Losses (batch,) of faces with these labels, times their weights.

        Raises:
            ValueError: the labels are not the batch's, but mixed or smoothed ones.
        """
        if not self._given:
            return losses
        if id(labels) not in self._given:
            raise ValueError(_no_use(scheme))
        entry = self._given[id(labels)]
        entry["used"] = True
        return losses * entry["weights"]


def _no_use(scheme):
    return (
        f"{scheme} cannot take sample weights or `class_weight`: it trains on mixed "
        "faces, softened labels or losses of its own, so weights of faces have no "
        "meaning. Weigh the classes in "
        'its `supervised_loss`, such as supervised_loss("class_balanced", counts).'
    )
