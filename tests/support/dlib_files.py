"""Files as dlib writes them, with weights that nobody trained."""

import struct

import numpy as np

from kerasfer.backbones.dlib_resnet import _shapes


def write_dlib(path):
    """A network of dlib_resnet's layout; gives the path."""
    rng = np.random.default_rng(0)
    content = named("loss_metric_2", struct.pack("<I", 7))
    for shape in _shapes():
        size = int(np.prod(shape))
        weights = rng.normal(0, np.sqrt(2 / (size / shape[0])), size)
        content += named("con_4", tensor([*weights, *rng.normal(0, 0.1, shape[0])]))
        affine = [*rng.uniform(0.5, 1.5, shape[0]), *rng.normal(0, 0.1, shape[0])]
        content += named("affine_", tensor(affine)) + named("relu_", b"\x01\x01")
    fc = tensor(rng.normal(0, 0.1, 256 * 128))
    content += named("fc_2", integer(128) + integer(256) + fc)
    path.write_bytes(content)
    return path


def integer(value):
    length = max(1, (abs(value).bit_length() + 7) // 8)
    head = bytes([length | (0x80 if value < 0 else 0)])
    return head + abs(value).to_bytes(length, "little")


def tensor(values):
    sizes = b"".join(map(integer, (2, len(values), 1, 1, 1)))
    return sizes + np.asarray(values, "<f4").tobytes()


def named(name, body):
    return b"\x01" + bytes([len(name)]) + name.encode() + body
