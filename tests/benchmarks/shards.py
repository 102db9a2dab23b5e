"""Reading images from TFRecord shards, beside decoding alone and beside files.

    python data_prep/from_csv.py FACES.csv PACKED --output tfrecord
    python tests/benchmarks/shards.py FACES.csv PACKED/manifest.csv

All read the same images in the same shuffled order, in one thread, several times in
turn; ratios are of medians. The files' cache is warm after the first time.
"""

import sys
import time

import numpy as np

from kerasfer.data import read_manifest
from kerasfer.data.records import read_record
from kerasfer.data.row_order import shards_of, shuffled
from kerasfer.faces import decode_image

_TIMES, _MOST = 5, 5000


def main(files, shards):
    files, shards = read_manifest(files), read_manifest(shards)
    order = shuffled(np.random.default_rng(0), len(shards), shards_of(shards))[:_MOST]
    encoded = [read_record(shards.path(row)) for row in order]
    ways = {
        "decoding alone": lambda: [decode_image(e, "image") for e in encoded],
        "from shards": lambda: [shards.image(row) for row in order],
        "from files": lambda: [files.image(row) for row in order],
    }
    seconds = {name: [] for name in ways}
    for _ in range(_TIMES):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: np.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(
            f"{name}: {len(order) / median:.0f} images/s, "
            f"{medians['decoding alone'] / median:.2f} of decoding alone"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
