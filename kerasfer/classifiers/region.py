"""RAN: region attention networks (Wang et al., TIP 2020)."""

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
from kerasfer.layers.regions import FIXED_REGIONS, RegionAttention, Regions
from kerasfer.types import Classifier


def build_region_classifier(
    backbone: str | Classifier | Callable[..., Classifier],
    input_shape: Sequence[int],
    num_classes: int,
    normalization: str = "unit",
    dropout: float = 0.0,
    activation: str = "softmax",
    unit_embedding: bool = False,
    weight_penalty: Any = None,
    synchronized_batch_norm: bool = False,
    regions: Sequence[Sequence[float]] = FIXED_REGIONS,
    normalized: bool = True,
) -> Classifier:
    """The face and crops of it through one backbone, weighed by attention.

    A classifier as of `build_classifier`, for every scheme, with one output more:
    "attention", float32 (batch, regions), the weight of each region, the whole face's
    first. It costs as many forward passes as there are regions. There is no
    `feature_map`: it would be one of several regions.

    RAN's regions are the face, its two upper corners, its lower middle and two centres.
    Its loss is `kerasfer.losses.region_biased`. *Deviations*: all regions are in one
    pass, so that batch normalisation sees them together (six passes there), and pixels
    are normalised before they are cropped.

    Args:
        backbone, input_shape, num_classes, normalization, dropout, activation,
            unit_embedding, weight_penalty, synchronized_batch_norm: as for
            `build_classifier`.
        regions: (left, top, right, bottom) of each, fractions of the side, the whole
            face first.
        normalized: whether weights of a face sum to 1, see `RegionAttention`.

    Returns:
        a functional `keras.Model`; the embedding has twice the backbone's width.

    Raises:
        ValueError: as `build_classifier`, a region that is none, or a first one that is
            not the whole face.

    >>> classifier = build_region_classifier("compact", (48, 48, 3), num_classes=8)
    >>> classifier(tf.zeros((2, 48, 48, 3)))["attention"].shape
    TensorShape([2, 6])
    """
    if len(regions) < 2 or tuple(regions[0]) != (0, 0, 1, 1):
        raise ValueError(
            "`regions` must begin with the whole face, (0, 0, 1, 1), which its loss "
            f"compares with the others. Received: {regions}."
        )
    images, x = normalized_images(input_shape, normalization)
    network = prepared_backbone(
        backbone, input_shape, normalization, weight_penalty, synchronized_batch_norm
    )
    x = features_of(network, Regions(regions, name="regions")(x))
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    attend = RegionAttention(
        len(regions), normalized, weight_penalty, name="region_attention"
    )
    x, attention = attend(x)
    outputs = classified(
        x, num_classes, dropout, activation, unit_embedding, weight_penalty
    )
    outputs["attention"] = attention
    return checked(images, outputs, "region_classifier", backbone)
