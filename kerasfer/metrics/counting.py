"""What all metrics of counts share."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class CountingMetric(keras.metrics.Metric):
    """A metric of counts. Keras 2.15 resets only scalars by itself."""

    def counts_of(self, name: str, shape: Sequence[int]) -> Any:
        """A variable that counts."""
        return self.add_weight(name=name, shape=shape, initializer="zeros")

    def reset_state(self) -> None:
        for variable in self.variables:
            variable.assign(tf.zeros(variable.shape))


def result_names(metrics: Sequence[Any]) -> set[str]:
    """The names under which metrics appear in the logs, as a set."""
    names = set()
    for metric in metrics:
        result = metric.result()
        names |= set(result) if isinstance(result, dict) else {metric.name}
    return names
