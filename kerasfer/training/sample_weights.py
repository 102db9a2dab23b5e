"""Weights of labelled faces, as `fit` and Keras' `class_weight` give them."""

import contextlib


class SampleWeights:
    """The weights of a step's labelled faces, found by the tensor of their labels.

    Replicas trace the same code side by side, so that what a step is given is not a
    value of the model's. Labels are of one step of one replica.
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
        entry = {"weights": weights, "used": False}
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
        f"{scheme} cannot take sample weights or `class_weight`: it trains on labels "
        "that it makes of the batch's, not on those themselves. Weigh the classes in "
        'its `supervised_loss`, such as supervised_loss("class_balanced", counts).'
    )
