"""An order of names that is random, and the same on every machine."""

import hashlib

import numpy as np


def hash_order(seed, names):
    """A pseudo-random key per name, uint64 (n,), the same on every machine.

    >>> hash_order(0, ["a.png"]) == hash_order(0, ["a.png", "b.png"])[:1]
    array([ True])
    """
    digests = (
        hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
        for name in names
    )
    # One by one: of a million names a list would take fifty megabytes.
    keys = (int.from_bytes(digest, "big") for digest in digests)
    return np.fromiter(keys, np.uint64, len(names))
