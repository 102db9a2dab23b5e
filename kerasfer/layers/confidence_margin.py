"""Ada-CM's thresholds, as state."""

import math
from typing import Any

import keras
import tensorflow as tf

from kerasfer._compat import add_state
from kerasfer.types import Tensor


class ConfidenceMargin(keras.layers.Layer):
    """Ada-CM's confidence threshold of each class, as state.

        T_c = max(floor, scale * mean_c / (1 + growth^-t)),    t = 1, 2, ...

    with mean_c the mean confidence of the labelled faces of class c that are predicted
    right, and t the number of measurements. With scale 0.97 and growth e the factor is
    0.709, 0.854, 0.924, 0.953, ... towards 0.97. A class with none right gets the
    floor; with floor 0, which is none, it keeps its threshold.

    Source: Li et al., "Ada-CM", CVPR 2022, Eq. 4-5; the floor is its code's.

    Attributes:
        margins: float32 (num_classes,), the thresholds.
        measured: float32 (), t.

    Args:
        num_classes: of the state.
        floor: lowest threshold, in [0, 1].
        scale: B of the paper, in (0, 1].
        growth: gamma of the paper, above 1; how fast thresholds rise.
        initial: of all thresholds, before the first measurement.

    Raises:
        ValueError: a number out of its range.

    >>> margin = ConfidenceMargin(2, floor=0.0)
    >>> margin.measure(sums=[1.8, 0.0], counts=[2.0, 0.0])
    >>> margin.margins  # [0.97 * 0.9 / (1 + 1/e), 0.8] = [0.638, 0.8]
    """

    def __init__(
        self,
        num_classes: int,
        floor: float = 0.8,
        scale: float = 0.97,
        growth: float = math.e,
        initial: float = 0.8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        shares = 0 <= floor <= 1 and 0 <= initial <= 1 and 0 < scale <= 1
        if not shares or growth <= 1:
            raise ValueError(
                "Expected floor and initial in [0, 1], scale in (0, 1] and growth > "
                f"1. Received: floor={floor}, scale={scale}, "
                f"growth={growth}, initial={initial}."
            )
        self.floor, self.scale, self.growth = floor, scale, growth
        start = keras.initializers.Constant(initial)
        self.margins = add_state(self, "margins", (num_classes,), start)
        self.measured = add_state(self, "measured", ())
        self.built = True

    def measure(self, sums: Tensor, counts: Tensor) -> None:
        """Moves the thresholds, once.

        Args:
            sums: float (num_classes,), confidences of the right predictions, added up.
            counts: float (num_classes,), how many those are.
        """
        sums, counts = tf.cast(sums, tf.float32), tf.cast(counts, tf.float32)
        time = tf.convert_to_tensor(self.measured) + 1.0
        factor = self.scale / (1.0 + tf.pow(self.growth, -time))
        learned = factor * tf.math.divide_no_nan(sums, counts)
        learned = tf.maximum(learned, self.floor)
        if self.floor == 0:  # else a class that is never right would let all faces in
            learned = tf.where(counts > 0, learned, tf.convert_to_tensor(self.margins))
        self.margins.assign(learned)
        self.measured.assign(time)
