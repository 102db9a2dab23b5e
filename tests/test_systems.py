"""The systems of the papers' tables: each is here, or it is said what is missing."""

import importlib
import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
from support.recipe_runs import RECIPES, imported, parsed, run

import kerasfer
from kerasfer.experiments.study.file import read_study
from kerasfer.losses import (
    cross_entropy,
    locality_preserving,
    locality_preserving_loss,
    squared_hinge,
)

SYSTEMS = importlib.import_module("kerasfer.recipes.systems").read_systems()
OF_PAPERS = r"(ada_cm|remop|large_margin|omni)_table\d"


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s["name"][:20])
def test_what_is_here_can_be_found_and_trained(system):
    assert {"name", "tables", "state"} <= {*system}
    if system["state"] == "missing":
        assert system["why"] and not {"here", "train"} & {*system}
        return
    for place in re.findall(r"(?:kerasfer\.)?((?:\w+\.)+\w+)", system["here"]):
        module, _, name = place.rpartition(".")
        assert hasattr(importlib.import_module(f"kerasfer.{module}"), name), place
    for command in filter(None, system.get("train", "").split("; ")):
        recipe, *flags = command.split()
        parsed(imported(recipe), *flags)


def letters(name):
    return re.sub("[^a-z]", "", name.lower())


def test_every_method_of_the_papers_studies_is_listed():
    """By the first letters of a name: "FixMatch + ABC" is FixMatch."""
    known = {letters(part)[:8] for s in SYSTEMS for part in s["name"].split(",")}
    # Rows of an ablation, by what they are of.
    known |= {"threshol", "objectiv", "linear", "feature", "hog", "foreachunit"}
    studies = [
        read_study(str(path))
        for path in (RECIPES / "studies").glob("*.yaml")
        if re.fullmatch(OF_PAPERS, path.stem)
    ]
    assert len(studies) > 15
    missing = {
        method
        for study in studies
        for method in study.methods
        if not any(name in letters(method) for name in known)
    }
    assert not missing


def test_the_command_prints_them():
    code, output = run("--missing", recipe="systems")
    assert code == 0 and "MRE-CNN" in output and "FixMatch" not in output


# --- DLP-CNN --------------------------------------------------------------------------


def test_one_neighbour_on_a_line():
    """Classes at 0, 1, 10: half of 1, 1 and 81."""
    loss = locality_preserving_loss([0, 0, 0], [[0.0], [1.0], [10.0]], 1)
    np.testing.assert_allclose(loss, [0.5, 0.5, 40.5])


def test_locality_by_loops():
    rng = np.random.default_rng(0)
    labels, points = rng.integers(0, 3, 14), rng.normal(size=(14, 5))
    labels[0] = 7  # alone
    expected = []
    for i in range(14):
        others = [j for j in range(14) if j != i and labels[j] == labels[i]]
        others.sort(key=lambda j: np.sum((points[i] - points[j]) ** 2))
        near = others[:3]
        center = np.mean(points[near], 0) if near else points[i]
        expected.append(0.5 * np.sum((points[i] - center) ** 2))
    found = locality_preserving_loss(labels, points.astype("float32"), 3)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    order = rng.permutation(14)
    again = locality_preserving_loss(labels[order], points[order].astype("float32"), 3)
    np.testing.assert_allclose(again, np.array(expected)[order], rtol=1e-4, atol=1e-5)


def test_all_neighbours_are_a_scaled_center_loss():
    """With k of n - 1 and more: 1/2 (n / (n - 1))^2 ||f - mean||^2."""
    points = np.random.default_rng(1).normal(size=(6, 4)).astype("float32")
    found = locality_preserving_loss([2] * 6, points, 50)
    centered = points - points.mean(0)
    np.testing.assert_allclose(
        found, 0.5 * (6 / 5) ** 2 * (centered**2).sum(-1), rtol=1e-5
    )


def test_the_gradient_is_that_to_a_constant_centre():
    points = tf.Variable([[0.0], [1.0], [10.0], [10.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(locality_preserving_loss([0, 0, 0, 1], points, 1))
    np.testing.assert_allclose(tape.gradient(loss, points), [[-1], [1], [9], [0]])


def test_what_it_is_not_for():
    with pytest.raises(ValueError, match="It does not go with MixUp|does not go"):
        locality_preserving_loss(tf.eye(3), tf.eye(3))
    with pytest.raises(ValueError, match="`neighbors` must be at least 1"):
        locality_preserving_loss([0, 1], tf.eye(2), 0)


def test_its_supervised_loss_is_the_weighted_sum():
    outputs = {"logits": tf.zeros((2, 2)), "embedding": tf.constant([[0.0], [2.0]])}
    found = locality_preserving(tf.constant([0, 0]), outputs, weight=0.5)
    np.testing.assert_allclose(found, np.log(2) + 0.5 * 2.0, rtol=1e-6)


def test_base_dcnn_has_the_papers_size():
    # 3x3 kernels and biases by hand, then 12 * 12 * 256 inputs of 2,000 units.
    widths = [3, 64, 96, 128, 128, 256, 256]
    convolutions = sum(9 * a * b + b for a, b in itertools.pairwise(widths))
    dense = 12 * 12 * 256 * 2000 + 2000
    network = kerasfer.backbones.base_dcnn((100, 100, 3))
    assert network.count_params() == convolutions + dense == 74_930_736


# --- DLSVM ----------------------------------------------------------------------------


def test_the_squared_hinge_by_hand():
    logits = {"logits": tf.constant([[0.5, -2.0, 0.0]])}
    # (1 - 0.5)^2 for the label; max(0, 1 - 2)^2 and (1 + 0)^2 for the others.
    np.testing.assert_allclose(squared_hinge(tf.constant([0]), logits), [1.25])
    signs = {"logits": tf.constant([[1.0, -1.0, -1.0]])}
    assert squared_hinge(tf.constant([0]), signs)[0] == 0
    assert squared_hinge(tf.constant([0]), {"logits": tf.zeros((1, 5))})[0] == 5


def test_soft_labels_are_its_mean_over_classes():
    logits = {"logits": tf.constant([[0.3, -0.8, 1.7]])}
    q = tf.constant([[0.2, 0.3, 0.5]])
    parts = [float(squared_hinge(tf.constant([k]), logits)[0]) for k in range(3)]
    np.testing.assert_allclose(
        squared_hinge(q, logits), [np.dot([0.2, 0.3, 0.5], parts)], rtol=1e-6
    )


def test_beyond_the_margin_is_no_gradient():
    logits = tf.Variable([[3.0, -3.0]])
    with tf.GradientTape() as tape:
        loss = squared_hinge(tf.constant([0]), {"logits": logits})
    np.testing.assert_array_equal(tape.gradient(loss, logits), [[0, 0]])
    assert float(cross_entropy(tf.constant([0]), {"logits": logits})[0]) > 0
