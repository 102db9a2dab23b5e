"""PyTorch checkpoints as NumPy arrays, without PyTorch and without running them."""

import io
import math
import pathlib
import struct
import zipfile
import zlib

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
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")


def read_state_dict(path: PathLike, most_bytes: int = 2**32) -> dict[str, Array]:
    """The tensors of a checkpoint.

    Reads the zip format (PyTorch 1.6 and later) and the one before it. What the file
    has pickled is interpreted, not run (`read_inert`). A dict that has the tensors
    under "state_dict", "model_state_dict", "model" or "net" is opened, and a prefix
    "module." that all names share is dropped.

    Args:
        path: of the checkpoint.
        most_bytes: of the file, and of all tensors together.

    Returns:
        dict name -> NumPy array, read-only, in the file's order. Entries that are no
        tensor are left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint, damaged, too large, a whole pickled module, or a
            tensor that claims more numbers than are stored.

    >>> read_state_dict("resnet18.pth")["conv1.weight"].shape  # doctest: +SKIP
    (64, 3, 7, 7)
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Expected a PyTorch file.")
    try:
        if path.stat().st_size > most_bytes:
            raise ValueError(f"it is larger than {most_bytes} bytes.")
        is_zip = zipfile.is_zipfile(path)
        content, storage_of = _read_zip(path) if is_zip else _read_legacy(path)
        return _state_dict(content, storage_of, most_bytes)
    except _BROKEN as error:
        says = error if isinstance(error, ValueError) else repr(error)
        raise ValueError(
            f"{path} is not a PyTorch checkpoint that can be read: {says} Expected "
            "what `torch.save(model.state_dict(), path)` writes."
        ) from None


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        _check_members(archive, path.stat().st_size)
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


def _check_members(archive, size):
    """PyTorch compresses nothing: what is small here and large unpacked is no work of
    its."""
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("its archive is compressed, which PyTorch's never are.")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its archive would unpack to more than it holds.")


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
            size = int.from_bytes(stream.read(8), order) * dtypes[key].itemsize
            if size > path.stat().st_size - stream.tell():
                raise ValueError("it is cut off.")
            stored[key] = stream.read(size)
    return content, lambda key, dtype: (stored[key], dtype.newbyteorder(order[0]))


def _storages(value):
    """Every `Stored` inside of a value, each container entered once: one that holds the
    next twice, forty levels deep, is a few hundred bytes."""
    entered, waiting = set(), [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Stored):
            yield value
        elif isinstance(value, dict | list | tuple) and id(value) not in entered:
            entered.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value


def _state_dict(content, storage_of, most_bytes):
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
    if sum(array.nbytes for array in arrays.values()) > most_bytes:
        raise ValueError(f"its tensors would take more than {most_bytes} bytes.")
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
    if not all(isinstance(side, int) for side in (*shape, *strides, offset)):
        raise TypeError("a shape that is not of whole numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * size > len(data):
        raise ValueError(
            f"a tensor claims shape {shape}; {len(data)} bytes are stored."
        )
    # NumPy checks that shape and strides stay inside of the data.
    array = np.ndarray(
        shape, dtype, data, offset * size, [stride * size for stride in strides]
    )
    array.flags.writeable = False
    return array


def _dtype(storage):
    if not isinstance(storage, Named) or storage.name not in _DTYPES:
        name = storage.name if isinstance(storage, Named) else type(storage).__name__
        raise ValueError(f"tensors of {name:.100} are not supported.")
    return np.dtype(_DTYPES[storage.name])
