"""Writes what `torch.save` writes, without torch, for the tests of its reader."""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile

import numpy as np

_STORAGES = {"f": "FloatStorage", "d": "DoubleStorage", "l": "LongStorage"}


def _shape_of(array):
    """A seam: what a hostile file claims."""
    return array.shape


class _Tensor:
    """Pickled as a call of torch._utils._rebuild_tensor_v2."""

    def __init__(self, key, array, parameter=False):
        self.key, self.array, self.parameter = key, array, parameter


class _Storage:
    def __init__(self, kind, key, count):
        self.identity = ("storage", kind, key, "cpu", count)


class _Pickler(pickle.Pickler):
    def __init__(self, stream, torch, legacy):
        super().__init__(stream, protocol=2)
        self.torch, self.legacy = torch, legacy

    def persistent_id(self, value):
        if isinstance(value, _Storage):
            return value.identity + ((None,) if self.legacy else ())
        return None

    def reducer_override(self, value):
        if not isinstance(value, _Tensor):
            return NotImplemented
        kind = getattr(self.torch, _STORAGES[value.array.dtype.char])
        strides = tuple(s // value.array.itemsize for s in value.array.strides)
        storage = _Storage(kind, value.key, value.array.size)
        arguments = (storage, 0, _shape_of(value.array), strides, False, {})
        return self.torch._utils._rebuild_tensor_v2, arguments


def save(path, arrays, legacy=False, wrap=lambda state: state):
    """The file that holds a dict name -> array."""
    state = collections.OrderedDict(
        (name, _Tensor(str(i), np.asarray(array)))
        for i, (name, array) in enumerate(arrays.items())
    )
    stream = io.BytesIO()
    with _pretended_torch() as torch:
        _Pickler(stream, torch, legacy).dump(wrap(state))
    data = {str(i): np.asarray(a).tobytes("A") for i, a in enumerate(arrays.values())}
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", stream.getvalue())
            archive.writestr("archive/byteorder", "little")
            for key, values in data.items():
                archive.writestr(f"archive/data/{key}", values)
        return path
    with open(path, "wb") as file:
        pickle.dump(0x1950A86A20F9469CFC6C, file, protocol=2)
        pickle.dump(1001, file, protocol=2)
        pickle.dump({"little_endian": True}, file, protocol=2)
        file.write(stream.getvalue())
        pickle.dump(list(data), file, protocol=2)
        for array, values in zip(arrays.values(), data.values(), strict=True):
            file.write(struct.pack("<q", np.asarray(array).size) + values)
    return path


class _pretended_torch:
    """`torch` in sys.modules, with just the names that a checkpoint pickles."""

    def __enter__(self):
        names = [n for n in sys.modules if n == "torch" or n.startswith("torch.")]
        self.real = {name: sys.modules.pop(name) for name in names}
        torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
        for name in _STORAGES.values():
            setattr(torch, name, type(name, (), {"__module__": "torch"}))

        def _rebuild_tensor_v2(*arguments):
            raise RuntimeError("never called")

        _rebuild_tensor_v2.__module__ = "torch._utils"
        _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
        inner._rebuild_tensor_v2 = _rebuild_tensor_v2
        torch._utils = inner
        sys.modules.update({"torch": torch, "torch._utils": inner})
        return torch

    def __exit__(self, *error):
        del sys.modules["torch"], sys.modules["torch._utils"]
        sys.modules.update(self.real)
