"""Faces that are decoded once, and then read from memory or from a mapped file."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import pathlib

import numpy as np

from kerasfer.data.manifest import Manifest
from kerasfer.data.records import is_record, shard_of
from kerasfer.machine_memory import machine_memory
from kerasfer.safe_write import atomic_write, require_room
from kerasfer.types import Array, PathLike

_THREADS = 4  # decoding leaves Python's lock
_AT_ONCE = 1024  # faces that are given to the threads: few wait to be stored


@dataclasses.dataclass(frozen=True)
class DecodedFaces:
    """Decoded images of a manifest's rows.

    Attributes:
        parts: arrays uint8 (m, height, width, 3), in memory or mapped from a file.
        rows: int (n,), where the images of the manifest's rows are in all parts.
    """

    parts: tuple
    rows: np.ndarray

    def __getitem__(self, row: int) -> Array:
        place = self.rows[row]
        for images in self.parts:
            if place < len(images):
                return np.array(images[place])  # a copy, as a decoder makes one
            place -= len(images)
        raise IndexError(row)

    def subset(self, rows: Array) -> "DecodedFaces":
        """Those of some rows: an array of indices, or a boolean mask."""
        return dataclasses.replace(self, rows=self.rows[rows])

    def followed_by(self, other: "DecodedFaces") -> "DecodedFaces":
        """These, and then the others."""
        own = sum(map(len, self.parts))
        rows = np.concatenate([self.rows, own + other.rows])
        return DecodedFaces((*self.parts, *other.parts), rows)

    def __reduce__(self):
        # Of a mapped file its name, else another process would get all of it.
        parts = [
            images.filename if isinstance(images, np.memmap) else images
            for images in self.parts
        ]
        return _opened, (parts, self.rows)


def _opened(parts, rows):
    mapped = [
        np.load(images, mmap_mode="r") if isinstance(images, str) else images
        for images in parts
    ]
    return DecodedFaces(tuple(mapped), rows)


def decode_once(manifest: Manifest, folder: PathLike | None = None) -> Manifest:
    """The same manifest, of which each image is decoded here and never again.

    Batches are the same to the bit. Subsets share the images. A file is found again by
    the names, sizes and dates of the image files, so that runs share it.

    Args:
        manifest: of files or shards, all images of one size, as `kerasfer prepare
            detect_and_align` makes them; with images in memory it is given back as it
            is.
        folder: for a file of all images, which is mapped: processes share it, and what
            does not fit into memory is read again. None keeps them in memory; each of
            `workers` then has a copy.

    Raises:
        ValueError: images of several sizes, or one that cannot be decoded.
        FileNotFoundError: an image file is missing.
        MemoryError: more than the machine's memory.
        OSError: no room on the disk of `folder`.

    >>> faces = decode_once(read_manifest("faces/manifest.csv"))  # doctest: +SKIP
    """
    if manifest.images is not None or not len(manifest):
        return manifest
    shape = (len(manifest), *manifest.image(0, 3).shape)
    size = int(np.prod(shape))
    rows = np.arange(len(manifest))
    if folder is None:
        _require_memory(size)
        images = np.empty(shape, np.uint8)
        _decode_into(images, manifest)
        return dataclasses.replace(manifest, decoded=DecodedFaces((images,), rows))
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_digest(manifest)}.npy"
    if not path.exists():
        require_room(folder, size)
        with atomic_write(path) as temporary:
            images = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            _decode_into(images, manifest)
            images.flush()
    return dataclasses.replace(manifest, decoded=_opened([str(path)], rows))


def _decode_into(images, manifest):
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as threads:
        for start in range(0, len(images), _AT_ONCE):
            rows = range(start, min(start + _AT_ONCE, len(images)))
            decoded = threads.map(lambda row: manifest.image(row, 3), rows)
            for row, image in zip(rows, decoded, strict=True):
                if image.shape != images.shape[1:]:
                    raise ValueError(
                        "Decoding once needs images of one size. Received: "
                        f"{manifest.names[0]} of {images.shape[1:3]} and "
                        f"{manifest.names[row]} of {image.shape[:2]} (height, width). "
                        "Align the faces (kerasfer prepare detect_and_align), or "
                        "leave out --cache."
                    )
                images[row] = image


def _digest(manifest):
    """Of the names, sizes and dates of the files that the images are in."""
    digest = hashlib.blake2b(digest_size=10)

    @functools.lru_cache(maxsize=64)  # a shard has many images
    def file_of(path):
        status = os.stat(path)
        return f"{os.path.abspath(path)} {status.st_size} {status.st_mtime_ns}"

    for name in manifest.names:
        file = shard_of(name)[0] if is_record(name) else name
        known = file_of(os.path.join(manifest.root, file))
        digest.update(f"{known} {name}\n".encode())
    return digest.hexdigest()


def _require_memory(size):
    memory = machine_memory()
    if size > memory:
        raise MemoryError(
            f"The decoded faces take {size / 1e9:.1f} GB, and this machine has "
            f"{memory / 1e9:.1f}. Keep them in a file (--cache disk; `folder`), or "
            "decode them for each batch, without --cache."
        )
