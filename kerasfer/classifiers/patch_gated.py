"""gACNN and pACNN (Li, Zeng, Shan and Chen, TIP 2019), after their description."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasfer.classifiers.parts import (
    checked,
    classified,
    features_of,
    normalized_images,
    prepared_backbone,
)
from kerasfer.layers.patch_gates import FACE_POINTS, PatchGates
from kerasfer.types import Classifier

_WIDTHS = 512, 1024  # of the whole face, of the layer before the last


def build_patch_classifier(
    backbone: str | Classifier | Callable[..., Classifier],
    input_shape: Sequence[int],
    num_classes: int,
    normalization: str = "unit",
    dropout: float = 0.0,
    activation: str = "softmax",
    unit_embedding: bool = False,
    weight_penalty: Any = None,
    synchronized_batch_norm: bool = False,
    points: Sequence[Sequence[float]] = FACE_POINTS,
    whole_face: bool = True,
) -> Classifier:
    """Gated patches of a face's map, and the gated map as a whole (gACNN).

        f = relu(W [alpha_1 psi_1; ...; alpha_P psi_P; alpha_0 psi_0] + b)

    with patches around `points`, see `kerasfer.layers.PatchGates`, and psi_0 of the
    whole map, which pACNN (`whole_face=False`) does without. A classifier as of
    `build_classifier`, with one output more: "gates", float32 (batch, P + 1), the
    whole face's last. Schemes with heads of their own on a map (RUL, MEK, CPE) refuse
    it.

    *This is a reconstruction*: of the paper the abstract is at hand, widths (64, 512,
    1,024) and the 24 points are those of another's program, in which all patches share
    their weights by mistake and are mixed between faces. *Deviations*: points are fixed
    places of an aligned crop, not each face's landmarks; the two convolutions that a
    patch has there are left to the backbone; psi_0 reads the map's mean. Patches want a
    map of some cells: one of 3 x 3 has 9 different ones.

    Args:
        backbone, input_shape, num_classes, normalization, dropout, activation,
            unit_embedding, weight_penalty, synchronized_batch_norm: as for
            `build_classifier`; the backbone must give a map.
        points: (x, y) of each patch, fractions of the side.
        whole_face: whether the whole map takes part.

    Returns:
        a functional `keras.Model`; the embedding has 1,024 units.

    Raises:
        ValueError: as `build_classifier`, or a backbone that gives a vector.

    >>> classifier = build_patch_classifier("compact", (48, 48, 3), num_classes=8)
    >>> classifier(tf.zeros((2, 48, 48, 3)))["gates"].shape
    TensorShape([2, 25])
    """
    images, x = normalized_images(input_shape, normalization)
    network = prepared_backbone(
        backbone, input_shape, normalization, weight_penalty, synchronized_batch_norm
    )
    x = features_of(network, x)
    if len(x.shape) != 4:
        raise ValueError(
            "Patches are of a map. Expected a backbone that gives (batch, height, "
            f"width, channels). Received: shape={x.shape}."
        )
    layers = keras.layers
    # Not `feature_map`: schemes with heads of their own on that would drop the patches.
    x = layers.Activation("linear", name="patched_map")(x)
    features, gates = PatchGates(
        points, kernel_regularizer=weight_penalty, name="patch_gates"
    )(x)
    if whole_face:
        mean = layers.GlobalAveragePooling2D(dtype="float32", name="pooling")(x)
        options = {"kernel_regularizer": weight_penalty, "dtype": "float32"}
        whole = layers.Dense(_WIDTHS[0], "relu", name="whole_face", **options)
        gate = layers.Dense(1, "sigmoid", name="whole_face_gate", **options)(mean)
        features = layers.Concatenate(dtype="float32", name="patches_and_face")(
            [features, layers.Multiply(dtype="float32")([whole(mean), gate])]
        )
        gates = layers.Concatenate(dtype="float32", name="gates")([gates, gate])
    x = layers.Dense(
        _WIDTHS[1], "relu", kernel_regularizer=weight_penalty, dtype="float32",
        name="joined",
    )(features)  # fmt: skip
    outputs = classified(
        x, num_classes, dropout, activation, unit_embedding, weight_penalty
    )
    outputs["gates"] = gates
    return checked(images, outputs, "patch_classifier", backbone)
