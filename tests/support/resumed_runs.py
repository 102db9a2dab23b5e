"""Runs that must have come to the same."""

import h5py
import numpy as np

TEXTS = ("metrics.csv", "pseudo_labels.csv", "predictions_test.csv", "split.csv")


def weights(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: item[()]} if isinstance(item, h5py.Dataset) else {}
            )
        )
    return found


def assert_same_run(one, other):
    for name in TEXTS:
        if (one / name).exists():
            assert (one / name).read_text() == (other / name).read_text(), name
    for name in ("best.weights.h5", "last.weights.h5"):
        ours, theirs = weights(one / name), weights(other / name)
        assert ours.keys() == theirs.keys()
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])
    assert not (one / "checkpoints").exists()


def folder_of(out):
    (result,) = out.rglob("result.json")
    return result.parent
