"""Layers that training leaves as they are."""

import fnmatch
from collections.abc import Sequence

from kerasfer.types import Classifier


def freeze(model: Classifier, patterns: Sequence[str]) -> None:
    """Freezes the layers whose names match, in the functional models within too.

    A frozen batch normalisation keeps its running statistics and normalises by them in
    training too, as Keras does it.

    Args:
        model: functional: a backbone, or a classifier before a scheme is built on it.
        patterns: as of file names: "conv1*", "*_bn"; "*" is all of it.

    Raises:
        ValueError: a pattern that no layer with weights matches.

    >>> backbone = kerasfer.backbones.compact((48, 48, 3))
    >>> freeze(backbone, ["*"])
    >>> backbone.trainable_variables
    []
    """
    layers = layers_with_weights(model)
    names = [layer.name for layer in layers]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise ValueError(
                f"No layer of {model.name} matches {pattern!r}. Its layers with "
                f"weights, in order: {', '.join(names) or 'none'}."
            )
    for layer in layers:
        if any(fnmatch.fnmatchcase(layer.name, pattern) for pattern in patterns):
            layer.trainable = False


def layers_with_weights(model):
    """Layers that have weights, of a model and of the models in it, from the input to
    the output."""
    layers = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            layers += layers_with_weights(layer)
        elif layer.weights:
            layers.append(layer)
    return layers
