"""A network of its own for each action unit."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasfer.classifiers.pooled import build_classifier
from kerasfer.types import Classifier


def build_separate_classifiers(
    backbone: str | Callable[..., Classifier],
    input_shape: Sequence[int],
    num_outputs: int,
    **options: Any,
) -> Classifier:
    """A network of its own for each action unit, as one classifier.

    What several networks trained apart would give, at `num_outputs` times the memory
    and time: the upper bound that Racoviteanu et al. (BMVC 2019, section 4.4) mention.
    Under a loss that is a mean over units, their gradients do not mix.

    Args:
        backbone: a name or a function, as for `build_classifier`; each unit gets a new
            one.
        input_shape, options: as for `build_classifier`.
        num_outputs: action units.

    Returns:
        a functional `keras.Model`, as of `build_classifier`; the embedding is that of
        all networks in a row, and there is no `feature_map`.

    >>> build_separate_classifiers("compact", (48, 48, 3), 2).output["logits"].shape[-1]
    2
    """
    images = keras.Input(input_shape, dtype="float32", name="image")
    parts = []
    for m in range(num_outputs):
        one = build_classifier(
            backbone, input_shape, 1, activation="sigmoid", **options
        )
        part = keras.Model(one.input, one.output, name=f"classifier_{m}")
        parts.append(part(images))
    outputs = {
        name: keras.layers.Concatenate(dtype="float32", name=name)(
            [part[name] for part in parts]
        )
        for name in ("embedding", "logits", "probs")
    }
    return keras.Model(images, outputs, name="separate_classifiers")
