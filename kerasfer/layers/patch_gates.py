"""Patches of a feature map, each with a gate that may close it."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasfer.types import Tensor

# (x, y) of brows, eyes, nose, mouth and cheeks, as fractions of the side of a crop
# whose eyes and mouth lie where FER2013's do (`kerasfer.vision.alignment`).
FACE_POINTS = (
    (0.20, 0.28), (0.31, 0.28), (0.42, 0.29), (0.58, 0.29), (0.69, 0.28), (0.80, 0.28),
    (0.25, 0.39), (0.315, 0.388), (0.36, 0.375),
    (0.64, 0.375), (0.685, 0.388), (0.75, 0.39),
    (0.50, 0.38), (0.50, 0.52),
    (0.344, 0.779), (0.45, 0.74), (0.55, 0.74), (0.656, 0.779),
    (0.45, 0.84), (0.55, 0.84),
    (0.31, 0.57), (0.69, 0.57), (0.27, 0.71), (0.73, 0.71),
)  # fmt: skip


@keras.saving.register_keras_serializable("kerasfer")
class PatchGates(keras.layers.Layer):
    """Features of patches around points of the face, times their gates.

        psi_i = relu(W_i vec(patch_i) + b_i)
        alpha_i = sigmoid(v_i . relu(V_i mean(patch_i) + c_i) + d_i)
        output: [alpha_1 psi_1; ...; alpha_P psi_P]

    A patch that is covered, by a hand or by hair, can be shut out. Each patch has its
    own weights. The patch of a point is the square of map cells whose centre is nearest
    to it, and lies within the map.

    Input float (batch, h, w, channels). Output: float32 (batch, points * width), and
    the gates (batch, points).

    Args:
        points: (x, y) of each patch, fractions of the side.
        size: side of a patch as a fraction of the map's; 6 cells of 28 in gACNN.
        width: of psi.
        kernel_regularizer: of Keras, for the three kernels of each patch.

    Raises:
        ValueError: a point outside of the face, or `size` not in (0, 1].

    >>> layer = PatchGates(points=[(0.3, 0.4)], width=8)
    >>> features, gates = layer(tf.ones((2, 7, 7, 4)))
    >>> features.shape, gates.shape
    (TensorShape([2, 8]), TensorShape([2, 1]))
    """

    def __init__(
        self,
        points: Sequence[Sequence[float]] = FACE_POINTS,
        size: float = 6 / 28,
        width: int = 64,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.points = [tuple(float(value) for value in point) for point in points]
        inside = all(0 <= value <= 1 for point in self.points for value in point)
        if not self.points or not inside or not 0 < size <= 1:
            raise ValueError(
                "Expected points (x, y) in [0, 1] and size in (0, 1]. Received: points="
                f"{self.points}, size={size}."
            )
        self.size, self.width = size, width
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        _, height, width, channels = input_shape
        self.cells = [max(1, round(self.size * side)) for side in (height, width)]
        self.corners = [
            (_start(y, height, self.cells[0]), _start(x, width, self.cells[1]))
            for x, y in self.points
        ]
        number, inputs = len(self.points), self.cells[0] * self.cells[1] * channels
        self.kernel = self._weight("kernel", (number, inputs, self.width))
        self.bias = self._weight("bias", (number, self.width), "zeros")
        self.gate_kernel = self._weight("gate_kernel", (number, channels, self.width))
        self.gate_bias = self._weight("gate_bias", (number, self.width), "zeros")
        self.gate = self._weight("gate", (number, self.width, 1))
        self.gate_offset = self._weight("gate_offset", (number, 1), "zeros")
        self.built = True

    def _weight(self, name, shape, initializer="he_normal_of_each"):
        if initializer == "he_normal_of_each":  # the first axis is of patches
            deviation = (2.0 / shape[1]) ** 0.5
            initializer = keras.initializers.TruncatedNormal(stddev=deviation)
        is_kernel = initializer != "zeros"
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer if is_kernel else None,
        )

    def call(self, maps: Tensor) -> Any:
        maps = tf.cast(maps, tf.float32)
        rows, columns = self.cells
        patches = tf.stack(
            [maps[:, y : y + rows, x : x + columns] for y, x in self.corners], 1
        )
        flat = tf.reshape(patches, (-1, len(self.points), self.kernel.shape[1]))
        features = tf.nn.relu(_each(flat, self.kernel) + self.bias)
        means = tf.reduce_mean(patches, (2, 3))
        hidden = tf.nn.relu(_each(means, self.gate_kernel) + self.gate_bias)
        gates = tf.sigmoid(_each(hidden, self.gate) + self.gate_offset)
        gated = tf.reshape(gates * features, (-1, len(self.points) * self.width))
        return gated, gates[..., 0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        number = len(self.points)
        return (None, number * self.width), (None, number)

    def get_config(self) -> dict:
        own = {"points": self.points, "size": self.size, "width": self.width}
        penalty = keras.regularizers.serialize(self.kernel_regularizer)
        own["kernel_regularizer"] = penalty if self.kernel_regularizer else None
        return {**super().get_config(), **own}


def _start(fraction, side, cells):
    """First cell of a patch, which stays within the map."""
    start = round(fraction * side - cells / 2)
    return min(max(start, 0), side - cells)


def _each(values, kernels):
    """Row i of each face times matrix i: (batch, P, a), (P, a, b) to (batch, P, b)."""
    return tf.einsum("npa,pab->npb", values, tf.convert_to_tensor(kernels))
