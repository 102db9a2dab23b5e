"""What is wrong, from the looks of all images."""

import collections
import itertools
import typing

_BLANK = 2.0  # grey levels of contrast
_CHUNKS, _CHUNK_BITS = 4, 16
_MOST_BITS = _CHUNKS - 1  # two hashes that differ in no more share a chunk
_ALIKE = 0.99  # correlation of thumbnails


class Problem(typing.NamedTuple):
    """One row of problems.csv."""

    kind: str
    path: str
    other: str = ""


def problems_of(manifest, looks):
    """All but unreadable images, in the order of the manifest."""
    found = [
        Problem("blank", manifest.names[look.row])
        for look in looks
        if look.contrast < _BLANK
    ]
    same = _same(looks)
    found += _pairs(manifest, "duplicate", same)
    # What is blank is like all that is blank; what is the same was said already.
    first = {id(second) for _, second in same}
    rest = [k for k in looks if k.contrast >= _BLANK and id(k) not in first]
    found += _pairs(manifest, "near_duplicate", _alike(rest))
    return found + _subjects(manifest)


def _same(looks):
    """Pairs with the same pixels: of each set the first, and each of the others."""
    of_digest = collections.defaultdict(list)
    for look in looks:
        of_digest[look.digest].append(look)
    return [(s[0], other) for s in of_digest.values() for other in s[1:]]


def _alike(looks):
    """Pairs whose hashes differ in 3 of 64 bits at most, and that look the same.

    Hashes that near share one of four chunks, so that only those are compared. Aligned
    faces have similar hashes; the correlation of what they look like decides.
    """
    pairs = {}
    for chunk in range(_CHUNKS):
        shift = chunk * _CHUNK_BITS
        buckets = collections.defaultdict(list)
        for look in looks:
            buckets[look.gradients >> shift & (1 << _CHUNK_BITS) - 1].append(look)
        for bucket in buckets.values():
            for one, other in itertools.combinations(bucket, 2):
                bits = (one.gradients ^ other.gradients).bit_count()
                if bits <= _MOST_BITS and one.thumbnail @ other.thumbnail > _ALIKE:
                    pairs[one.row, other.row] = (one, other)
    return [pairs[rows] for rows in sorted(pairs)]


def _pairs(manifest, kind, pairs):
    parts = manifest.parts
    for one, other in pairs:
        across = parts is not None and parts[one.row] != parts[other.row]
        yield Problem(
            f"{kind}_across_splits" if across else kind,
            manifest.names[other.row],
            manifest.names[one.row],
        )


def _subjects(manifest):
    if manifest.subjects is None or manifest.parts is None:
        return []
    first, found = {}, {}
    for row, subject in enumerate(manifest.subjects):
        where = first.setdefault(subject, row)
        if manifest.parts[row] != manifest.parts[where] and subject not in found:
            found[subject] = Problem(
                "subject_across_splits", manifest.names[row], manifest.names[where]
            )
    return list(found.values())
