"""Images a second from TFRecord shards, beside decoding alone and beside files.

    python tests/benchmarks/shards.py

The same faces, JPEG of 100 pixels, in the same shuffled order, in one thread. What is
read is compared with what was written. Files are in the cache. Grey faces are the
harder ones: they are decoded faster, and read as slowly.
"""

import collections
import pathlib
import tempfile

import numpy as np
from rows import Row, faster, in_turns, rate

from kerasfer.data import read_manifest, synthetic
from kerasfer.data.records import ShardWriter, read_record
from kerasfer.data.row_order import shards_of, shuffled
from kerasfer.vision.images import cv2, decode_image

_FACES, _OF_A_SHARD, _REPETITIONS = 2000, 250, 15


def write(folder, encoded):
    """The manifests of the faces as files, and in shards."""
    files, shards = ["path"], ["path"]
    for start in range(0, len(encoded), _OF_A_SHARD):
        name = f"{start:06d}.tfrecord"
        with ShardWriter(folder / name) as shard:
            for number in range(start, start + _OF_A_SHARD):
                path = f"{number}.jpg"
                (folder / path).write_bytes(encoded[number])
                files.append(path)
                shards.append(f"{name}#{shard.write(encoded[number], path)}")
    for name, lines in (("files", files), ("shards", shards)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return [read_manifest(folder / f"{name}.csv") for name in ("files", "shards")]


def drain(images):
    """As a batch does, keeps none of them."""
    collections.deque(images, maxlen=0)


def measure(kind, images):
    encoded = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
    with tempfile.TemporaryDirectory() as folder:
        files, shards = write(pathlib.Path(folder), encoded)
        order = shuffled(np.random.default_rng(0), len(shards), shards_of(shards))
        for row in order[:100]:
            assert read_record(shards.path(row)) == encoded[row]

        def decode(row):
            return decode_image(encoded[row], "image")

        ways = {
            "decoding alone": lambda: drain(
                decode_image(encoded[r], "") for r in order
            ),
            "shards": lambda: drain(map(shards.image, order)),
            "files": lambda: drain(map(files.image, order)),
        }
        times = in_turns(ways, _REPETITIONS)
    for theirs, at_least in (("decoding alone", 0.8), ("files", "-")):
        Row(
            f"reading and decoding 100 px {kind} JPEG from TFRecord shards",
            f"{rate(len(order), times['shards']):,.0f} images/s",
            f"{theirs}: {rate(len(order), times[theirs]):,.0f}",
            faster(times, "shards", theirs),
            at_least,
        ).show()


if __name__ == "__main__":
    faces = synthetic.render_manifest(_FACES, seed=0, size=100).images
    measure("colour", faces)
    measure("grey", [cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces])
