"""Figures show the numbers that they are given; what a model makes of some faces."""

import itertools

import numpy as np
import pytest
import threadpoolctl
from matplotlib.colors import to_hex, to_rgb
from support.toys import dense_classifier, random_faces

from kerasfer.analysis import figures
from kerasfer.analysis.inspection import Inspected, inspect
from kerasfer.analysis.palette import COLOURS, GREY, class_colours
from kerasfer.data import evaluation_dataset
from kerasfer.deploy.calibration import expected_calibration_error, reliability
from kerasfer.schemes import Supervised
from kerasfer.vision.images import EXPRESSIONS

NAMES = ("anger", "fear", "neutral")


def texts(figure):
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def test_confusion_is_in_shares_of_rows():
    figure = figures.confusion([[3, 1, 0], [0, 2, 2], [0, 0, 0]], NAMES)
    # A class without faces has no shares.
    assert texts(figure) == ["75", "25", "0", "0", "50", "50"]


def test_curves_and_histograms_hold_their_numbers():
    (axes,) = figures.curves({"loss": [2.0, 1.0], "val": [3.0, np.nan]}, "loss").axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [2.0, 1.0])
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2])
    (axes,) = figures.class_histogram(NAMES, [3, 2, 1], [1, 0, 4], [4, 2, 5]).axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [3, 2, 1, 1, 0, 4, 4, 2, 5]
    (axes,) = figures.class_histogram(NAMES, [3, 2, 1], [1, 0, 4], [np.nan] * 3).axes
    assert len(axes.patches) == 6
    (axes,) = figures.confidence_histogram([0, 0.5], [4, 6], [1, 5], [0.9, 0.9]).axes
    assert [bar.get_height() for bar in axes.patches] == [1, 5, 3, 1]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.9]  # once
    (axes,) = figures.methods({"a": [1.0, 3.0], "b": [], "c": [2.0]}, "x").axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("task", ["expressions", "action_units"])
def test_reliability_has_the_bins_of_the_calibration_error(task):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(3), 200)
    labels = rng.integers(-1, 3, 200)
    if task == "action_units":
        labels = rng.choice([-1.0, 0.0, 1.0], (200, 3))
    bins = reliability(labels, probs, task)
    shares = bins["faces"] / bins["faces"].sum()
    error = (shares * np.abs(bins["right"] - bins["confidence"])).sum()
    expected = expected_calibration_error(labels, probs, task)
    np.testing.assert_allclose(error, expected, atol=1e-6)
    # In the figure small bins are joined: the means over all cases stay.
    joined = figures._merged(bins)
    assert joined["faces"].min() >= 10 and joined["faces"].sum() == bins["faces"].sum()
    for name in ("right", "confidence"):
        expected = np.average(bins[name], weights=bins["faces"])
        np.testing.assert_allclose(
            np.average(joined[name], weights=joined["faces"]), expected
        )
    (axes,) = figures.reliability_diagram(labels, probs, task).axes
    np.testing.assert_allclose(axes.lines[1].get_ydata(), joined["right"])


def test_bins_are_joined_from_below_and_the_rest_goes_to_the_last():
    bins = {
        "faces": np.array([4, 8, 10, 3]),
        "confidence": np.array([0.1, 0.4, 0.6, 0.9]),
        "right": np.array([0.0, 0.75, 0.5, 1.0]),
    }
    joined = figures._merged(bins)
    assert joined["faces"].tolist() == [12, 13]
    np.testing.assert_allclose(joined["right"], [6 / 12, 8 / 13])
    few = {name: values[:1] for name, values in bins.items()}
    assert figures._merged(few)["faces"].tolist() == [4]


def test_the_best_epoch_and_bands_are_drawn():
    lines, bands = {"a": [1.0, 2.0]}, {"a": ([0.5, 1.5], [1.5, 2.5])}
    figure = figures.curves(lines, "", best=2, colours={"a": "#123456"}, bands=bands)
    (axes,) = figure.axes
    assert axes.lines[0].get_color() == "#123456"
    assert [*axes.lines[1].get_xdata()] == [2, 2] and len(axes.collections) == 1


@pytest.mark.parametrize("length", [4, 20, 30])
def test_the_legend_fits_into_the_figure(length):
    names = [letter * length for letter in "mnopq"]
    figure = figures.curves({name: [1.0, 2.0] for name in names}, "%")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    extent = legend.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.width


def test_a_class_has_one_colour_in_every_figure():
    some, all_of_them = class_colours(["fear", "anger"]), class_colours(EXPRESSIONS)
    assert some == {name: all_of_them[name] for name in some}
    assert len(set(all_of_them.values())) == len(EXPRESSIONS)
    assert {*all_of_them.values()} == {*COLOURS}
    figure = figures.embedding(np.eye(3)[:, :2], [0, 1, -1], ["fear", "anger"])
    drawn = [to_hex(c.get_facecolor()[0]) for c in figure.axes[0].collections]
    assert drawn == [GREY, some["fear"], some["anger"]]


# Linear RGB as protanopes and deuteranopes see it: Machado et al., IEEE TVCG 2009.
SEEN = {
    "all": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def linear(colours):
    rgb = np.array([to_rgb(colour) for colour in colours])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("seen_by", SEEN)
def test_colours_are_told_apart_by_colour_blind_readers(seen_by):
    color = pytest.importorskip("skimage.color")
    seen = np.clip(linear(COLOURS) @ np.transpose(SEEN[seen_by]), 0, 1)
    rgb = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = color.rgb2lab(rgb[None])[0]
    for one, other in itertools.combinations(lab, 2):
        assert color.deltaE_ciede2000(one, other) > 8  # 2.3 is just seen


def test_colours_show_on_light_and_on_dark_ground():
    luminance = linear(COLOURS) @ [0.2126, 0.7152, 0.0722]
    assert (1.05 / (luminance + 0.05)).min() > 2  # on white
    assert ((luminance + 0.05) / (0.0065 + 0.05)).min() > 3  # on #14171c, say


def test_the_plane_keeps_clusters_apart():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 8)) + 20 * np.repeat(np.eye(3, 8), 20, 0)
    labels = np.repeat([0, 1, 2], 20)
    flat = figures.plane(points)
    centres = np.array([flat[labels == k].mean(0) for k in range(3)])
    nearest = ((flat[:, None] - centres) ** 2).sum(-1).argmin(-1)
    assert (nearest == labels).mean() > 0.95
    (axes,) = figures.embedding(flat, labels - 1, NAMES).axes
    assert sum(len(dots.get_offsets()) for dots in axes.collections) == 60


def test_the_plane_takes_one_thread(monkeypatch):
    seen = []

    def fit_transform(self, points):
        pools = threadpoolctl.threadpool_info()
        seen.extend(p["num_threads"] for p in pools if p["user_api"] == "openmp")
        return points[:, :2]

    monkeypatch.setattr("sklearn.manifold.TSNE.fit_transform", fit_transform)
    figures.plane(np.eye(5))
    assert {*seen} == {1}


def test_a_plane_of_too_few_points_is_refused():
    with pytest.raises(ValueError, match="at least 5 points.*Received: 4"):
        figures.plane(np.eye(4))
    assert figures.plane(np.eye(5)).shape == (5, 2)


def seen(probs, labels, names=NAMES, task="expressions"):
    probs = np.array(probs, np.float32)
    images = np.zeros((len(probs), 4, 4, 3), np.uint8)
    return Inspected(images, np.array(labels), probs, probs, names, task)


def test_the_surest_and_the_least_sure():
    found = seen(
        [[0.9, 0.1, 0], [0.4, 0.3, 0.3], [0, 0.8, 0.2], [0.5, 0.2, 0.3]], [0, 1, 2, -1]
    )
    assert found.surest(2).tolist() == [0, 2]
    assert found.least_sure(2).tolist() == [1, 3]
    assert found.surest_errors(5).tolist() == [2, 1]  # the last is unknown
    assert found.said == ["anger", "anger", "fear", "anger"]
    assert found.known == ["anger", "fear", "neutral", ""]
    units = seen(
        [[0.9, 0.6], [0.1, 0.2]], [[1, -1], [-1, -1]], ("AU1", "AU4"), "action_units"
    )
    assert units.said == ["AU1 AU4", "none"] and units.known == ["AU1", ""]
    np.testing.assert_allclose(units.confidence, [0.75, 0.85], rtol=1e-6)


def test_inspect_sees_each_face_once():
    faces = random_faces(10, side=4)
    model = Supervised(dense_classifier())
    found = inspect(model, evaluation_dataset(faces, batch_size=4), NAMES)
    np.testing.assert_array_equal(found.images, faces.images)
    np.testing.assert_array_equal(found.labels, faces.labels)
    expected = model.inference_classifier(faces.images)
    np.testing.assert_allclose(found.probs, expected["probs"], rtol=1e-5)
    assert found.embeddings.shape == (10, 5)
    with pytest.raises(ValueError, match="at least one face"):
        inspect(model, [], NAMES)


def test_faces_have_their_captions():
    figure = figures.faces(random_faces(3).images, ["a", "b", "c"], columns=2)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", ""]
