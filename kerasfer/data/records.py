"""Many images in few files: TFRecord shards, with each image found by its offset.

A record is a `tf.train.Example` with "image/encoded", the bytes of a JPEG or PNG as
they are, and "image/filename", what the image was called; the tools that read TFRecord
read it. In a manifest an image is called SHARD#OFFSET, e.g.
`shards/000012.tfrecord#52011`, so that one can be read without the others: a batch
stays a pure function of seed and step, and a shuffled order needs no buffer.
"""

import functools
import os
import re
import struct
import threading

import google_crc32c

ENDING = ".tfrecord"
_RECORD = re.compile(r"\.tfrecord#[0-9]+$")
_OFFSET = re.compile(r"[0-9]{1,12}")  # a terabyte: file systems refuse more
_HEADER = struct.Struct("<QI")  # length of the data, checksum of the length
_LENGTH = 8  # bytes of it, without its checksum
_FOOTER = 4  # checksum of the data
_AT_ONCE = 1 << 14  # bytes: most faces are read in one call


def is_record(name):
    """Whether a manifest's name is that of an image in a shard.

    >>> is_record("shards/000012.tfrecord#52011"), is_record("face.png")
    (True, False)
    """
    return _RECORD.search(str(name)) is not None


def shard_of(name):
    """The shard's own path, and the offset of the record in bytes.

    Raises:
        ValueError: no whole number behind the mark.

    >>> shard_of("shards/000012.tfrecord#52011")
    ('shards/000012.tfrecord', 52011)
    """
    stem, _, offset = str(name).rpartition("#")
    if not _OFFSET.fullmatch(offset):
        raise ValueError(
            f"Expected SHARD{ENDING}#OFFSET, an offset in bytes. Received: {name!r}."
        )
    return stem, int(offset)


class ShardWriter:
    """Writes one shard, from its first record to its last.

    Args:
        path: to write to; a temporary name, if the shard must be whole or absent.

    >>> with ShardWriter("000000.tfrecord") as shard:
    ...     shard.write(encoded, "a.jpg"), shard.write(encoded, "b.jpg")
    (0, ...)
    """

    def __init__(self, path):
        import tensorflow as tf

        self._writer = tf.io.TFRecordWriter(str(path))
        self._position = 0

    def write(self, encoded, filename):
        """Adds an image; the offset of its record, to go behind the path and "#".

        Args:
            encoded: the bytes of a JPEG or PNG.
            filename: what the image was called.
        """
        # A map has no order of its own: without one a process draws it.
        record = _example(encoded, filename).SerializeToString(deterministic=True)
        self._writer.write(record)
        offset = self._position
        self._position += _HEADER.size + len(record) + _FOOTER
        return offset

    def close(self):
        self._writer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def read_record(name):
    """The bytes of the image that a name SHARD#OFFSET points to.

    Raises:
        FileNotFoundError: there is no such shard.
        ValueError: no record of an image begins there, the shard is cut off, or a
            checksum says that it is damaged.

    >>> encoded = read_record("faces/shards/000012.tfrecord#52011")  # doctest: +SKIP
    """
    path, offset = shard_of(name)
    try:
        shard = _opened(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Shard {path} does not exist. Check the `path` column of the manifest: "
            "relative paths start at the manifest's own folder."
        ) from None
    read = shard.read(offset, _AT_ONCE)
    if len(read) < _HEADER.size:
        raise ValueError(f"{name}: the shard ends before this record.")
    length, checksum = _HEADER.unpack_from(read)
    if _masked_checksum(read[:_LENGTH]) != checksum:
        raise ValueError(_NO_RECORD.format(name=name))
    end = _HEADER.size + length
    if len(read) < end + _FOOTER:
        if offset + end + _FOOTER > shard.size():
            raise ValueError(_NO_RECORD.format(name=name))
        read = shard.read(offset, end + _FOOTER)
    data, checksum = read[_HEADER.size : end], read[end : end + _FOOTER]
    if _masked_checksum(data) != int.from_bytes(checksum, "little"):
        raise ValueError(f"{name}: the record is damaged, its checksum is another one.")
    try:
        example = _example_type().FromString(data)
        (encoded,) = example.features.feature["image/encoded"].bytes_list.value
    except Exception as error:  # the protocol buffers' own, or none of that name
        raise ValueError(_NO_RECORD.format(name=name)) from error
    return encoded


def _masked_checksum(data):
    """CRC-32C as TFRecord writes it: a microsecond for 10 kB."""
    checksum = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


class _OpenShard:
    def __init__(self, file):
        self._file = file
        self._lock = threading.Lock()  # of where the file stands

    def read(self, offset, size):
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)

    def size(self):
        return os.fstat(self._file.fileno()).st_size

    def __del__(self):
        self._file.close()  # by the last thread that reads it


@functools.lru_cache(maxsize=64)
def _opened(path):
    """A shard that stays open: to open one takes longer than to read an image of it.
    Whoever reads shards that may have been replaced calls `close_shards` first."""
    return _OpenShard(open(path, "rb", buffering=0))


def close_shards():
    """Lets shards be opened anew: they may be other files by now."""
    _opened.cache_clear()


_NO_RECORD = (
    "{name}: no record of an image begins there. The shard is damaged or cut off, or "
    "was written anew since the manifest was."
)


@functools.cache
def _example_type():
    # Only here: processes that read image files start without TensorFlow.
    from tensorflow.core.example.example_pb2 import Example

    return Example


def _example(encoded, filename):
    example = _example_type()()
    for name, value in (
        ("image/encoded", encoded),
        ("image/filename", str(filename).encode("utf8")),
    ):
        example.features.feature[name].bytes_list.value.append(value)
    return example
