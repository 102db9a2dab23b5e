"""A network that dlib has serialised: its tensors, read without dlib."""

import pathlib
import re
from typing import Any

import numpy as np

from kerasfer.types import PathLike

_MOST_BYTES = 2**28
_NAME = re.compile(rb"\x01[\x05\x07\x04](con_4|affine_|fc_2)")


def read_dlib(path: PathLike) -> Any:
    """The tensors of convolutions, affine and dense layers, in the file's order.

    dlib writes layers from the input up, each by its name. An integer is a byte whose
    low four bits say how many bytes follow, little-endian; a tensor is the integer 2,
    four integers (samples, channels, rows, columns), and raw float32. There is no code
    in such a file, and nothing of it is run.

    Args:
        path: of a .dat file.

    Returns:
        list of (name, float32 array (n,)): "con_4" has filters, then biases, "affine_"
        scales, then shifts.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, cut off, or with numbers that are not finite.

    >>> read_dlib("dlib_face_recognition_resnet_model_v1.dat")  # doctest: +SKIP
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Expected a .dat file of dlib.")
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path} is no network of dlib: it has over 256 MiB.")
    content = path.read_bytes()
    tensors, position = [], 0
    while match := _NAME.search(content, position):
        name = match.group(1).decode()
        position = match.end()
        if name == "fc_2":  # outputs and inputs stand before the tensor
            for _ in range(2):
                _, position = _integer(path, content, position)
        values, position = _tensor(path, content, position)
        tensors.append((name, values))
    if not tensors:
        raise ValueError(f"{path} is no network of dlib: no layer of one is in it.")
    return tensors


def _tensor(path, content, position):
    sizes = []
    for _ in range(5):
        value, position = _integer(path, content, position)
        sizes.append(value)
    version, *shape = sizes
    count = int(np.prod(shape, dtype=object))
    end = position + 4 * count
    if version != 2 or min(shape) < 0 or end > len(content):
        raise ValueError(
            f"{path} is damaged or cut off: a tensor of version {version} and shape "
            f"{tuple(shape)} at byte {position} of {len(content)}."
        )
    values = np.frombuffer(content, "<f4", count, position)
    if not np.isfinite(values).all():
        raise ValueError(f"{path} is damaged: numbers at {position} are not finite.")
    return values, end


def _integer(path, content, position):
    head = content[position : position + 1]
    count = head[0] & 0x0F if head else 0
    end = position + 1 + count
    if not 1 <= count <= 8 or end > len(content):
        raise ValueError(f"{path} is damaged or cut off at byte {position}.")
    value = int.from_bytes(content[position + 1 : end], "little")
    return -value if head[0] & 0x80 else value, end
