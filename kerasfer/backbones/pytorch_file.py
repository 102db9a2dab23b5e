"""PyTorch checkpoints as NumPy arrays, without PyTorch and without running them."""

import io
import pathlib
import zipfile

import numpy as np

from kerasfer.backbones.inert_pickle import Called, Named, Stored, read_inert
from kerasfer.types import Array, PathLike

_MAGIC = 0x1950A86A20F9469CFC6C  # begins a file from before PyTorch 1.6
_REBUILT = {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"}
_DTYPES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")


def read_state_dict(path: PathLike) -> dict[str, Array]:
    """The tensors of a checkpoint.

    Reads the zip format (PyTorch 1.6 and later) and the one before it. What the file
    has pickled is interpreted, not run (`read_inert`). A dict that has the tensors
    under "state_dict", "model_state_dict", "model" or "net" is opened, and a prefix
    "module." that all names share is dropped.

    Args:
        path: of the checkpoint.

    Returns:
        dict name -> NumPy array, read-only, in the file's order. Entries that are no
        tensor are left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint, damaged, or a whole pickled module.

    >>> read_state_dict("resnet18.pth")["conv1.weight"].shape  # doctest: +SKIP
    (64, 3, 7, 7)
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Expected a PyTorch file.")
    try:
        is_zip = zipfile.is_zipfile(path)
        content, storage_of = _read_zip(path) if is_zip else _read_legacy(path)
        return _state_dict(content, storage_of)
    except (ValueError, KeyError, OSError, RecursionError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a PyTorch checkpoint that can be read: {error} Expected "
            "what `torch.save(model.state_dict(), path)` writes."
        ) from None


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [n for n in names if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"the archive has {len(pickles)} files data.pkl, not one.")
        root = pickles[0].removesuffix("data.pkl")
        content = read_inert(io.BytesIO(archive.read(pickles[0])))
        order = "little"
        if root + "byteorder" in names:
            order = archive.read(root + "byteorder").decode()
        stored = {
            name.removeprefix(root + "data/"): archive.read(name)
            for name in names
            if name.startswith(root + "data/")
        }
    return content, lambda key, dtype: (stored[key], dtype.newbyteorder(order[0]))


def _read_legacy(path):
    with path.open("rb") as stream:
        if read_inert(stream) != _MAGIC:
            raise ValueError("it begins like no format of PyTorch.")
        read_inert(stream)  # version of the format
        order = "little" if read_inert(stream).get("little_endian", True) else "big"
        content = read_inert(stream)
        keys = read_inert(stream)
        dtypes = {s.identity[2]: _dtype(s.identity[1]) for s in _storages(content)}
        stored = {}
        for key in keys:
            size = int.from_bytes(stream.read(8), order)
            stored[key] = stream.read(size * dtypes[key].itemsize)
    return content, lambda key, dtype: (stored[key], dtype.newbyteorder(order[0]))


def _storages(value):
    """Every `Stored` inside of a value."""
    if isinstance(value, Stored):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _storages(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _storages(entry)


def _state_dict(content, storage_of):
    for name in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
            break
    if not isinstance(content, dict):
        what = content.function.name if isinstance(content, Called) else type(content)
        raise ValueError(f"it holds {what}, not a dict of tensors.")
    arrays = {
        name: _array(value, storage_of)
        for name, value in content.items()
        if isinstance(name, str) and _is_tensor(value)
    }
    if not arrays:
        raise ValueError("it holds no tensor.")
    if all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): a for name, a in arrays.items()}
    return arrays


def _is_tensor(value):
    if not isinstance(value, Called):
        return False
    if value.function.name == "torch._utils._rebuild_parameter":
        return _is_tensor(value.arguments[0])
    return value.function.name in _REBUILT


def _array(value, storage_of):
    if value.function.name == "torch._utils._rebuild_parameter":
        return _array(value.arguments[0], storage_of)
    stored, offset, shape, strides = value.arguments[:4]
    dtype = _dtype(stored.identity[1])
    data, dtype = storage_of(stored.identity[2], dtype)
    size = dtype.itemsize
    # NumPy checks that shape and strides stay inside of the data.
    array = np.ndarray(
        shape, dtype, data, offset * size, [stride * size for stride in strides]
    )
    array.flags.writeable = False
    return array


def _dtype(storage):
    if not isinstance(storage, Named) or storage.name not in _DTYPES:
        raise ValueError(f"tensors of {storage} are not supported.")
    return np.dtype(_DTYPES[storage.name])
