"""RecordIO, the format in which face recognition packs its images (train.rec)."""

import math
import struct

from kerasfer.preparation.importing.data_set import Rejected

_MAGIC = 0xCED7230A
_HEAD = struct.Struct("<II")  # magic number; 3 bits of kind, 29 bits of length
_IMAGE = struct.Struct("<IfQQ")  # number of labels, a label, two identifiers
_LENGTH = (1 << 29) - 1


def read_records(path):
    """(number, label or labels, bytes) for each record of a .rec file, in its order.

    Raises:
        ValueError: no RecordIO, or one that is cut off.

    >>> for number, labels, encoded in read_records("train.rec"): ...  # doctest: +SKIP
    """
    with path.open("rb") as file:
        number = 0
        while (data := _record(file, path)) is not None:
            count, label, _, _ = _IMAGE.unpack_from(data)
            content, labels = data[_IMAGE.size :], (label,)
            if 4 * count > len(content):
                raise ValueError(f"{path}, record {number}: {count} labels do not fit.")
            if count:
                labels = struct.unpack_from(f"<{count}f", content)
                content = content[4 * count :]
            if not all(map(math.isfinite, labels)):
                raise ValueError(f"{path}, record {number}: a label is no number.")
            yield number, labels, content
            number += 1


def _record(file, path):
    """The data of the next record, put together from its parts; None at the end."""
    parts = []
    while True:
        head = file.read(_HEAD.size)
        if not head and not parts:
            return None
        if len(head) < _HEAD.size:
            raise ValueError(f"{path} is cut off at byte {file.tell()}.")
        magic, word = _HEAD.unpack(head)
        if magic != _MAGIC:
            raise ValueError(f"{path} is no RecordIO: byte {file.tell() - _HEAD.size}.")
        kind, length = word >> 29, word & _LENGTH
        data = file.read(length)
        file.read(-length % 4)  # padding
        if len(data) < length:
            raise ValueError(f"{path} is cut off at byte {file.tell()}.")
        parts.append(data)
        # 0 is a whole record; 1, 2, 3 are first, middle and last part of one in which
        # the magic number occurred.
        if kind in (0, 3):
            break
    data = struct.pack("<I", _MAGIC).join(parts)
    if len(data) < _IMAGE.size:
        raise ValueError(f"{path} holds records that are no images.")
    return data


def checked_image(encoded):
    """The bytes of a JPEG or PNG; what is neither is refused.

    Raises:
        Rejected: something else.
    """
    if not encoded.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        raise Rejected("its bytes are neither a JPEG nor a PNG")
    return encoded
