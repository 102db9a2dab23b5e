"""In which order a pass visits the images of a manifest."""

import numpy as np
import pandas as pd
import pyarrow.compute

from kerasfer.data.records import is_record

_OPEN_SHARDS = 16
_WINDOW = 256  # images of a shard that are shuffled together


def shards_of(manifest):
    """The number of each image's TFRecord shard, int32 (n,); None for image files.

    >>> shards_of(manifest) is None  # its images are in memory
    True
    """
    if manifest.images is not None or not is_record(manifest.names[0]):
        return None
    texts = pd.array(manifest.names, dtype="string[pyarrow]").__arrow_array__()
    stems = pyarrow.compute.replace_substring_regex(texts, r"#\d+$", "")
    numbers = pd.factorize(pd.arrays.ArrowStringArray(stems))[0].astype(np.int32)
    del texts, stems
    # What Arrow used until here, for manifests and splits too, else stays with it.
    pyarrow.default_memory_pool().release_unused()
    return numbers


def shuffled(rng, num_rows, shards=None):
    """A random order of rows, int32 (num_rows,).

    Image files come in any order alike. Images in shards come as from interleaved
    shards with a buffer: 16 shards in random order are read side by side, 256 images of
    each are shuffled together, then the next 256. So a disk or a network reads near
    where it read before, and yet the order is a list that can be entered anywhere.

    Args:
        rng: `numpy.random.Generator`.
        num_rows: their number.
        shards: what `shards_of` gives.

    >>> sorted(shuffled(np.random.default_rng(0), 3).tolist())
    [0, 1, 2]
    """
    if shards is None:
        return rng.permutation(num_rows).astype(np.int32)
    turns = rng.permutation(shards.max() + 1) // _OPEN_SHARDS
    windows = pd.Series(shards).groupby(shards).cumcount().to_numpy() // _WINDOW
    cells = turns[shards] * (windows.max() + 1) + windows
    keys = cells.astype(np.uint64) << np.uint64(32)
    keys |= rng.integers(2**32, size=num_rows, dtype=np.uint64)
    return np.argsort(keys, kind="stable").astype(np.int32)


def balanced(rng, labels):
    """As many rows as there are labels, in random order, with as many of each class.

    Classes that are rarer come several times, each face of theirs once before any comes
    again; of those that are more frequent, some faces are left out of this pass. What
    does not divide goes to classes drawn at random.

    Args:
        rng: `numpy.random.Generator`.
        labels: int (n,).

    Returns:
        int32 (n,).

    >>> labels = np.array([0, 0, 0, 1])
    >>> int(labels[balanced(np.random.default_rng(0), labels)].sum())  # two of class 1
    2
    """
    classes = rng.permutation(np.unique(labels))
    shares = np.full(len(classes), len(labels) // len(classes))
    shares[: len(labels) % len(classes)] += 1
    chosen = []
    for k, share in zip(classes, shares, strict=True):
        rows = np.flatnonzero(labels == k)
        passes = -(-share // len(rows))
        in_turn = [rng.permutation(rows) for _ in range(passes)]
        chosen.append(np.concatenate(in_turn)[:share])
    return rng.permutation(np.concatenate(chosen)).astype(np.int32)
