"""Selection of reliable faces from a stream of embeddings."""

import itertools
import tracemalloc

import numpy as np
import pytest

from kerasfer.omni import calibrated_delta, class_centroids, cosine_margins, select

RNG = np.random.default_rng(0)
SEA = RNG.normal(size=(3000, 6)).astype(np.float32)
CENTROIDS = RNG.normal(size=(4, 6))


def margins_by_loops(embeddings, centroids):
    """Eq. 4-5 read as distances, one face and one class at a time."""
    labels, margins = [], []
    for f in np.asarray(embeddings, float):
        cosines = [f @ c / np.linalg.norm(f) / np.linalg.norm(c) for c in centroids]
        order = np.argsort(cosines)
        labels.append(order[-1])
        margins.append(cosines[order[-1]] - cosines[order[-2]])
    return np.array(labels), np.array(margins)


def in_batches(size):
    return (SEA[i : i + size] for i in range(0, len(SEA), size))


def test_margins_are_the_rule():
    labels, margins = cosine_margins(SEA[:50], CENTROIDS)
    expected_labels, expected = margins_by_loops(SEA[:50], CENTROIDS)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(margins, expected, rtol=1e-9, atol=1e-12)


def test_the_most_similar_class_is_chosen_not_the_least():
    # Eq. 5 as printed, with a similarity for d, would give class 1.
    labels, margins = cosine_margins([[1.0, 0.1]], [[1.0, 0.0], [-1.0, 0.0]])
    assert labels[0] == 0 and margins[0] == pytest.approx(2 / np.sqrt(1.01))


@pytest.mark.parametrize("size", [1, 7, 1024, 2999])
def test_what_is_selected_does_not_depend_on_the_batches(size):
    whole = select(SEA, CENTROIDS, 0.3)
    for ours, theirs in zip(
        select(in_batches(size), CENTROIDS, 0.3), whole, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)  # to the last bit
    assert calibrated_delta(in_batches(size), CENTROIDS, 0.1) == calibrated_delta(
        SEA, CENTROIDS, 0.1
    )


def test_selection_is_all_faces_above_delta():
    indices, labels, margins = select(SEA, CENTROIDS, 0.3)
    expected_labels, expected = margins_by_loops(SEA, CENTROIDS)
    np.testing.assert_array_equal(indices, np.flatnonzero(expected >= 0.3))
    np.testing.assert_array_equal(labels, expected_labels[indices])
    np.testing.assert_allclose(margins, expected[indices], rtol=1e-9)


def test_a_cap_keeps_the_largest_margins_of_each_class():
    indices, labels, margins = select(in_batches(100), CENTROIDS, 0.2, most_per_class=5)
    all_indices, all_labels, all_margins = select(SEA, CENTROIDS, 0.2)
    for k in range(4):
        order = np.argsort(-all_margins[all_labels == k], kind="stable")[:5]
        expected = np.sort(all_indices[all_labels == k][order])
        np.testing.assert_array_equal(indices[labels == k], expected)
    assert (np.diff(indices) > 0).all() and margins.min() >= 0.2


def test_of_equal_margins_the_first_are_kept():
    same = np.tile([[1.0, 0.0]], (6, 1))
    indices, _, _ = select(same, [[1.0, 0.0], [0.0, 1.0]], 0.5, most_per_class=2)
    np.testing.assert_array_equal(indices, [0, 1])


@pytest.mark.parametrize("fraction", [0.01, 0.0237, 0.5, 1.0])
def test_calibration_keeps_the_fraction(fraction):
    delta = calibrated_delta(in_batches(512), CENTROIDS, fraction)
    kept = len(select(SEA, CENTROIDS, delta)[0]) / len(SEA)
    # One more face at most, and those within a bin of 1e-5: none or one of 3,000.
    assert fraction <= kept <= fraction + 3 / len(SEA)


def test_a_face_without_direction_is_never_selected():
    sea = np.array([[0.0, 0.0], [1.0, 0.0]])
    labels, margins = cosine_margins(sea, [[1.0, 0.0], [0.0, 1.0]])
    assert labels.tolist() == [-1, 0] and margins[0] == 0
    assert select(sea, [[1.0, 0.0], [0.0, 1.0]], delta=0.0)[0].tolist() == [1]


def test_a_class_without_faces_has_no_centroid_and_is_given_nothing():
    batches = [(SEA[:40], np.arange(40) % 2), (SEA[40:50], np.full(10, -1))]
    centroids = class_centroids(batches, 3)
    np.testing.assert_allclose(centroids[0], SEA[:40:2].mean(0), rtol=1e-6)
    assert np.isnan(centroids[2]).all()
    _, labels, _ = select(SEA, centroids, 0.0)
    assert set(labels) == {0, 1}


def test_memory_does_not_grow_with_the_sea():
    def peak(num_batches):
        batch = SEA[:1000]
        sea = itertools.repeat(batch, num_batches)
        tracemalloc.start()
        delta = calibrated_delta(itertools.repeat(batch, num_batches), CENTROIDS, 0.01)
        indices, _, _ = select(sea, CENTROIDS, delta, most_per_class=10)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest, len(indices)

    (small, few), (large, many) = peak(5), peak(50)
    assert few <= 40 and many <= 40
    assert large < 1.2 * small


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: select(SEA, CENTROIDS, -0.1), r"delta in \[0, 2\].*delta=-0.1"),
        (lambda: select(SEA, CENTROIDS, 0.1, 0), "most_per_class=0"),
        (lambda: select(SEA, CENTROIDS[:1], 0.1), "two classes at least.*Received: 1"),
        (lambda: calibrated_delta(SEA, CENTROIDS, 0.0), r"in \(0, 1\]. Received: 0.0"),
        (lambda: calibrated_delta([], CENTROIDS, 0.5), "Received none"),
        (lambda: class_centroids([], 3), "Received none"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
