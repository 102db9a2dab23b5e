"""PyTorch weights into a Keras model."""

import fnmatch
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasfer.backbones.pytorch_file import read_state_dict
from kerasfer.types import PathLike


def load_pytorch(
    model: Any,
    path: PathLike,
    ignore: Sequence[str] = ("fc.*", "fc8.*", "*.num_batches_tracked"),
) -> Any:
    """Fills a model with the tensors of a PyTorch checkpoint, by name.

    A layer named "layer1.0.conv1" takes "layer1.0.conv1.weight" and, if it has one,
    "layer1.0.conv1.bias"; kernels are turned from PyTorch's order of axes to Keras'.
    Batch normalisation takes "weight", "bias", "running_mean" and "running_var". Either
    every weight of the model is filled or none is touched.

    Nothing that is pickled in the file is run; torch is not needed. Weights trained on
    MS-Celeb-1M come from a data set that its makers withdrew in 2019, and others may
    bear terms of their own: whether you may use them is yours to find out.

    Args:
        model: of the layers Conv2D, Dense and BatchNormalization, e.g.
            `kerasfer.backbones.resnet18(...)`; of a classifier, its backbone.
        path: of the checkpoint, see `kerasfer.backbones.read_state_dict`.
        ignore: patterns of names in the file that the model need not have; by default
            the last layers of ResNets and VGG-Face, and PyTorch's counters.

    Returns:
        names in the file that were ignored.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint; or names that are missing, unexpected, or of
            another shape, all of them listed.

    >>> backbone = kerasfer.backbones.resnet18((224, 224, 3))
    >>> load_pytorch(backbone, "resnet18_msceleb.pth")  # doctest: +SKIP
    >>> classifier = build_classifier(backbone, (224, 224, 3), 7, "imagenet", 0.5)
    """
    arrays = read_state_dict(path)
    wanted = dict(_weights(model))
    ignored = [
        name
        for name in arrays
        if name not in wanted and any(fnmatch.fnmatch(name, p) for p in ignore)
    ]
    turned = {name: _to_keras(arrays[name]) for name in wanted if name in arrays}
    _check(path, model, arrays, wanted, ignored, turned)
    for name, variable in wanted.items():
        variable.assign(turned[name])
    return ignored


def _weights(model):
    """(name in PyTorch, variable) of each weight."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _weights(layer)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            yield f"{layer.name}.weight", layer.kernel
            if layer.use_bias:
                yield f"{layer.name}.bias", layer.bias
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield f"{layer.name}.weight", layer.gamma
            yield f"{layer.name}.bias", layer.beta
            yield f"{layer.name}.running_mean", layer.moving_mean
            yield f"{layer.name}.running_var", layer.moving_variance
        elif layer.weights:
            raise ValueError(
                f"Expected Conv2D, Dense and BatchNormalization. Received: {layer.name}"
                f", a {type(layer).__name__}; its weights have no name in PyTorch."
            )


def _to_keras(array):
    """Convolutions from OIHW to HWIO, dense kernels from (out, in) to (in, out)."""
    if array.ndim == 4:
        return np.transpose(array, (2, 3, 1, 0))
    return np.transpose(array)


def _check(path, model, arrays, wanted, ignored, turned):
    missing = [name for name in wanted if name not in arrays]
    extra = [name for name in arrays if name not in wanted and name not in ignored]
    misshaped = [
        f"{name} {array.shape} for {tuple(wanted[name].shape)}"
        for name, array in turned.items()
        if array.shape != tuple(wanted[name].shape)
    ]
    problems = {
        "missing in the file": missing,
        "not in the model": extra,
        "of another shape (as Keras orders axes)": misshaped,
    }
    found = [f"{what}: {', '.join(names)}" for what, names in problems.items() if names]
    if found:
        raise ValueError(
            f"{path} does not fit {model.name}; nothing was loaded. {'; '.join(found)}."
            " Build the backbone the file is of, or name what may be left out by "
            "`ignore`."
        )
