"""Omni-supervision: reliable samples from a sea of unlabelled faces, as a stream.

Embeddings come as batches of any size and are seen once each; what is kept in memory is
a block of them and what was selected. NumPy only, so that any source will do.
"""

import heapq

import numpy as np

_BLOCK = 1024  # products of one shape: results do not depend on the caller's batches
_BINS = 200_000  # of cosine margins in [0, 2]: a width of 1e-5


def class_centroids(batches, num_classes):
    """Mean embedding of each class.

    Source: Liu et al., "Omni-supervised Facial Expression Recognition via Distilled
    Data", Eq. 3: a plain mean, of embeddings as they are.

    Args:
        batches: iterable of (embeddings, labels), float (batch, width) and int
            (batch,); a label of -1 is left out.
        num_classes: of the result.

    Returns:
        float64 array (num_classes, width), NaN for a class without a face.

    Raises:
        ValueError: no batches.

    >>> class_centroids([([[1.0, 0.0], [3.0, 0.0]], [0, 0])], 2)[0]
    array([2., 0.])
    """
    sums, counts = None, np.zeros(num_classes)
    for embeddings, labels in batches:
        embeddings = np.asarray(embeddings, np.float64)
        one_hot = np.arange(num_classes) == np.asarray(labels)[:, None]
        part = one_hot.T.astype(np.float64) @ embeddings
        sums = part if sums is None else sums + part
        counts += one_hot.sum(0)
    if sums is None:
        raise ValueError("Expected labelled embeddings. Received none.")
    with np.errstate(invalid="ignore"):
        return sums / counts[:, None]


def cosine_margins(embeddings, centroids):
    """The nearest class by cosine, and how much nearer it is than the second.

        k = argmax_c cos(f, m_c),   margin = cos_(1) - cos_(2) >= 0

    Source: Liu et al., Eq. 4-5. As printed, d is the cosine *similarity* and Eq. 5
    selects the class with d(c_k) <= d(c_j) - delta, which would be the least similar
    one. The text calls d a distance: read as 1 - cos it is this rule.

    Args:
        embeddings: float (batch, width). One of length 0 has margin 0, and label -1.
        centroids: float (num_classes, width); a row of NaN, or of length 0, is a class
            that nothing is given.

    Returns:
        labels, int64 (batch,), and margins, float64 (batch,) in [0, 2].

    Raises:
        ValueError: fewer than two classes have a centroid.

    >>> cosine_margins([[2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    (array([0]), array([1.]))
    """
    directions, known = _directions(np.asarray(centroids, np.float64))
    if known.sum() < 2:
        raise ValueError(
            "Expected centroids of two classes at least, to measure how far the second "
            f"is. Received: {known.sum()}."
        )
    units, some = _directions(np.asarray(embeddings, np.float64))
    cosines = np.where(known, units @ directions.T, -np.inf)
    labels = np.where(some, cosines.argmax(-1), -1)
    first_two = np.partition(cosines, -2, axis=-1)
    return labels, np.where(some, first_two[:, -1] - first_two[:, -2], 0.0)


def select(embeddings, centroids, delta, most_per_class=None):
    """Faces that are nearer to one class than to any other by `delta`.

    Args:
        embeddings: float (n, width), or an iterable of such batches, which is passed
            over once. What is selected does not depend on the size of the batches.
        centroids: as for `cosine_margins`.
        delta: smallest margin, in [0, 2]; inclusive. See `calibrated_delta`.
        most_per_class: keeps at most so many of each class, those of the largest
            margins (of equal ones the first); memory is then bounded. None keeps all.

    Returns:
        indices, int64 (kept,), ascending positions in the stream; labels, int64
        (kept,), their classes; margins, float64 (kept,).

    Raises:
        ValueError: `delta` or `most_per_class` out of range, or as `cosine_margins`.

    >>> select([[2.0, 0.0], [1.0, 0.9]], [[1.0, 0.0], [0.0, 1.0]], delta=0.5)
    (array([0]), array([0]), array([1.]))
    """
    if not 0 <= delta <= 2 or (most_per_class is not None and most_per_class < 1):
        raise ValueError(
            "Expected delta in [0, 2] and most_per_class of at least 1, or None. "
            f"Received: delta={delta}, most_per_class={most_per_class}."
        )
    kept, heaps = [], {}
    for start, block in _blocks(embeddings):
        labels, margins = cosine_margins(block, centroids)
        for row in np.flatnonzero((labels >= 0) & (margins >= delta)):
            label, margin = int(labels[row]), float(margins[row])
            if most_per_class is None:
                kept.append((start + int(row), label, margin))
                continue
            # The smallest margin stands first in a heap, of equal ones the last face.
            heap, entry = heaps.setdefault(label, []), (margin, -(start + int(row)))
            if len(heap) < most_per_class:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)
    for label, heap in heaps.items():
        kept += [(-position, label, margin) for margin, position in heap]
    kept.sort()
    return (
        np.array([index for index, _, _ in kept], np.int64),
        np.array([label for _, label, _ in kept], np.int64),
        np.array([margin for _, _, margin in kept], np.float64),
    )


def calibrated_delta(embeddings, centroids, fraction):
    """The delta that keeps about a fraction of a sea of faces.

    The paper does not give its delta; it keeps 137,769 of 5,822,653 faces, 2.37 %.
    Margins are counted in bins of 1e-5, so memory does not grow with their number, and
    the fraction is right but for faces within a bin of delta.

    Args:
        embeddings, centroids: as for `select`; the stream is passed over once.
        fraction: in (0, 1].

    Returns:
        float, the largest bin's edge that keeps at least the fraction.

    Raises:
        ValueError: `fraction` out of range, or an empty stream.

    >>> calibrated_delta([[1.0, 0.0], [1.0, 0.5]], [[1.0, 0.0], [0.0, 1.0]], 0.5)
    1.0
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"`fraction` must be in (0, 1]. Received: {fraction}.")
    counts, total = np.zeros(_BINS + 1, np.int64), 0
    for _, block in _blocks(embeddings):
        labels, margins = cosine_margins(block, centroids)
        # A margin of 0.3 must not fall below the edge 0.3 by its last bit.
        bins = np.floor(margins[labels >= 0] * (_BINS / 2) + 1e-6).astype(np.int64)
        counts += np.bincount(bins, minlength=_BINS + 1)
        total += len(block)
    if not total:
        raise ValueError("Expected embeddings to calibrate on. Received none.")
    at_least = np.cumsum(counts[::-1])[::-1]
    enough = np.flatnonzero(at_least >= fraction * total)
    return float(enough[-1] / (_BINS / 2)) if len(enough) else 0.0


def _directions(vectors):
    """Unit vectors, and which have a direction."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    some = np.isfinite(lengths) & (lengths > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(some, vectors / lengths, 0.0), some[..., 0]


def _blocks(embeddings):
    """(position of the first, rows) in blocks of one size but for the last."""
    batches = [embeddings] if hasattr(embeddings, "shape") else embeddings
    if isinstance(batches, (list, tuple)) and np.ndim(batches) == 2:
        batches = [batches]  # rows as lists
    start, waiting = 0, None
    for batch in batches:
        batch = np.asarray(batch)
        waiting = batch if waiting is None else np.concatenate([waiting, batch])
        while len(waiting) >= _BLOCK:
            yield start, waiting[:_BLOCK]
            start, waiting = start + _BLOCK, waiting[_BLOCK:]
    if waiting is not None and len(waiting):
        yield start, waiting
