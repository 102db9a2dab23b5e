"""Figures of a training and of what it learned, as Matplotlib figures.

Each function gives a `matplotlib.figure.Figure`, to be shown in a notebook, saved by
`figure.savefig(path)`, or logged by `kerasfer.callbacks.TensorBoardFigures`. Text and
lines have the colours of Matplotlib's style; areas have colours that are readable on
light and dark ground (`kerasfer.analysis.palette`).
"""

import numpy as np
from matplotlib.figure import Figure

from kerasfer.analysis.palette import COLOURS, GREY, class_colours
from kerasfer.deploy.calibration import reliability

FEWEST_POINTS = 5
"""That `plane` takes."""

_FEWEST_IN_A_BIN = 10


def confusion(counts, class_names, title=None):
    """A confusion matrix, in shares of each row.

    Args:
        counts: int (classes, classes), rows are true classes.
        class_names: one per class.
        title: of the figure; None is none.

    >>> confusion([[8, 2], [1, 9]], ["anger", "fear"])
    <Figure size ...>
    """
    counts = np.asarray(counts, float)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 1.6 + 0.42 * len(class_names)
    figure, axes = _figure((size + 0.6, size), title)
    # Never so dark that the number in it could not be read on either ground.
    axes.pcolormesh(shares, cmap=_fading(COLOURS[0]), vmin=0, vmax=100)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    for row, column in np.ndindex(shares.shape):
        if counts[row].sum():
            axes.text(
                column + 0.5, row + 0.5, f"{shares[row, column]:.0f}",
                ha="center", va="center", fontsize=8,
            )  # fmt: skip
    ticks = np.arange(len(class_names)) + 0.5
    axes.set_xticks(ticks, class_names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(ticks, class_names, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true (% of row)")
    axes.spines[:].set_visible(False)
    return figure


def curves(
    lines, ylabel, title=None, xlabel="epoch", best=None, colours=None, bands=None
):
    """Numbers over epochs.

    Args:
        lines: name -> sequence of numbers, one per epoch from 1 on; NaN is a gap.
        ylabel, xlabel: of the axes.
        title: of the figure; None is none.
        best: epoch to mark, from 1 on; None marks none.
        colours: name -> colour, such as of `class_colours`; None is by place.
        bands: name -> (low, high), sequences around a line; None is none.

    >>> curves({"loss": [2.1, 1.4], "val_loss": [2.0, 1.6]}, "loss")
    <Figure size ...>
    """
    figure, axes = _figure((4.4, 3.0), title)
    for place, (name, values) in enumerate(lines.items()):
        colour = (colours or {}).get(name, COLOURS[place % len(COLOURS)])
        style = "-" if place < len(COLOURS) else "--"
        marker = "." if len(values) < 30 else None
        epochs = range(1, len(values) + 1)
        axes.plot(
            epochs, values, marker=marker, ls=style, lw=1.4, color=colour, label=name
        )
        if bands and name in bands:
            axes.fill_between(epochs, *bands[name], color=colour, alpha=0.2, lw=0)
    if best is not None:
        axes.axvline(best, color=GREY, ls="--", lw=1, label="best epoch")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if not any(np.any(values) for values in lines.values()):
        axes.set_ylim(0, 1)  # else an axis of tiny numbers around 0
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    _legend(figure, axes)
    return figure


def methods(values, xlabel, title=None):
    """Methods beside each other: each run a dot, the mean, and its standard error.

    Args:
        values: method -> sequence of numbers, one per run. The colour of a method is
            that of its place, as in `curves`.
        xlabel: of the axis.
        title: of the figure; None is none.

    >>> methods({"supervised": [51.0, 53.2], "FixMatch": [60.1]}, "accuracy, %")
    <Figure size ...>
    """
    figure, axes = _figure((4.4, 1.2 + 0.28 * len(values)), title)
    for place, numbers in enumerate(values.values()):
        colour = COLOURS[place % len(COLOURS)]
        numbers = np.asarray(numbers, float)
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            continue
        axes.plot(numbers, np.full(len(numbers), place), ".", color=colour, alpha=0.45)
        error = numbers.std(ddof=1) / len(numbers) ** 0.5 if len(numbers) > 1 else 0.0
        axes.errorbar(
            numbers.mean(), place, xerr=error, fmt="o", ms=5, capsize=3,
            color=colour,
        )  # fmt: skip
    axes.set_yticks(range(len(values)), list(values), fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel=xlabel)
    axes.grid(alpha=0.25, axis="x")
    return figure


def class_histogram(class_names, passed, unsure, true=None, title=None):
    """How many unlabelled faces got each class, beside how many are of it.

    Args:
        class_names: one per class.
        passed, unsure, true: counts (classes,), as of `PseudoLabelAudit`; `true` is
            None or NaN where unknown.
        title: of the figure; None is none.

    >>> class_histogram(["anger", "fear"], [5, 1], [0, 4], [5, 5])
    <Figure size ...>
    """
    figure, axes = _figure((4.4, 3.0), title)
    places = np.arange(len(class_names))
    known = true is not None and np.isfinite(np.asarray(true, float)).all()
    width, shift = (0.38, 0.2) if known else (0.7, 0.0)
    axes.bar(places - shift, passed, width, label="passed")
    axes.bar(
        places - shift, unsure, width, bottom=passed, alpha=0.35, color=COLOURS[0],
        label="did not pass",
    )  # fmt: skip
    if known:
        axes.bar(places + shift, true, width, label="are of it")
    axes.set_xticks(places, class_names, rotation=45, ha="right", fontsize=8)
    axes.set(ylabel="unlabelled faces")
    _legend(figure, axes)
    return figure


def confidence_histogram(edges, faces, right=None, thresholds=(), title=None):
    """How sure pseudo-labels are, and how many are right.

    Args:
        edges: lower edges of the bins, as of `kerasfer.metrics.confidence_edges`.
        faces, right: counts (bins,); `right` is None or NaN where unknown.
        thresholds: in force, drawn as lines.
        title: of the figure; None is none.

    >>> confidence_histogram([0.0, 0.5], [4, 6], [1, 5], [0.95])
    <Figure size ...>
    """
    figure, axes = _figure((4.4, 3.0), title)
    faces, width = np.asarray(faces, float), edges[1] - edges[0]
    places = np.asarray(edges) + width / 2
    if right is None or not np.isfinite(np.asarray(right, float)).all():
        axes.bar(places, faces, width * 0.9, label="pseudo-labels")
    else:
        right = np.asarray(right, float)
        axes.bar(places, right, width * 0.9, color=COLOURS[2], label="right")
        axes.bar(
            places, faces - right, width * 0.9, bottom=right, color=COLOURS[1],
            label="wrong, or unknown",
        )  # fmt: skip
    for number, threshold in enumerate(sorted(set(np.round(thresholds, 3)))):
        label = None if number else "threshold"
        axes.axvline(threshold, color=GREY, ls="--", lw=1, label=label)
    axes.set(xlabel="confidence", ylabel="unlabelled faces", xlim=(0, 1))
    _legend(figure, axes)
    return figure


def reliability_diagram(labels, probs, task="expressions", num_bins=15, title=None):
    """How often a model is right, by how sure it is; on the diagonal it is calibrated.

    A point is of 10 cases at least: bins with fewer are joined with the next.

    Args:
        labels, probs, task, num_bins: as for `expected_calibration_error`.
        title: of the figure; None is none.

    >>> reliability_diagram([0, 1], [[0.9, 0.1], [0.7, 0.3]])
    <Figure size ...>
    """
    bins = _merged(reliability(labels, probs, task, num_bins))
    figure, axes = _figure((4.4, 3.6), title)
    axes.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="calibrated")
    shares = bins["faces"] / bins["faces"].sum()
    axes.bar(
        bins["confidence"], shares, 0.8 / num_bins, alpha=0.3, color=GREY,
        label="share of cases",
    )  # fmt: skip
    axes.plot(bins["confidence"], bins["right"], marker="o", ms=4, label="this model")
    asked = "the largest probability" if task == "expressions" else "a probability"
    happens = "share right" if task == "expressions" else "share present"
    axes.set(xlabel=asked, ylabel=happens, xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.25)
    _legend(figure, axes)
    return figure


def _merged(bins):
    """Bins joined from below until each holds enough cases; what is left at the end
    goes to the last."""
    groups, held = [[]], 0
    for place, faces in enumerate(bins["faces"]):
        groups[-1].append(place)
        held += faces
        if held >= _FEWEST_IN_A_BIN:
            groups, held = [*groups, []], 0
    *groups, rest = groups
    groups = [*groups[:-1], groups[-1] + rest] if groups else [rest]
    weights = [bins["faces"][group] for group in groups]
    joined = {
        name: np.array(
            [
                np.average(bins[name][group], weights=weight)
                for group, weight in zip(groups, weights, strict=True)
            ]
        )
        for name in ("confidence", "right")
    }
    return {"faces": np.array([w.sum() for w in weights]), **joined}


def plane(embeddings, seed=0):
    """Embeddings in the plane, by scikit-learn's t-SNE.

    Its OpenMP part runs on one thread: several wait for each other at each of 1,000
    short steps, which beside other work takes several times as long.

    Args:
        embeddings: float (points, width), at least `FEWEST_POINTS`.
        seed: of t-SNE.

    Returns:
        float32 array (points, 2).

    Raises:
        ValueError: fewer points.

    >>> plane(np.eye(8)).shape
    (8, 2)
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(embeddings) < FEWEST_POINTS:
        raise ValueError(
            f"`embeddings` must have at least {FEWEST_POINTS} points. Received: "
            f"{len(embeddings)}."
        )
    perplexity = min(30, (len(embeddings) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, random_state=seed)
    with threadpool_limits(1, user_api="openmp"):
        return tsne.fit_transform(np.asarray(embeddings, np.float32))


def embedding(points, labels, class_names, title=None):
    """Points in the plane, a colour a class.

    Args:
        points: float (n, 2), as of `plane`.
        labels: int (n,), -1 = unknown.
        class_names: one per class.
        title: of the figure; None is none.

    >>> embedding(np.eye(2), [0, 1], ["anger", "fear"])
    <Figure size ...>
    """
    points, labels = np.asarray(points), np.asarray(labels)
    figure, axes = _figure((4.4, 4.0), title)
    of_class = {"unknown": GREY, **class_colours(class_names)}
    for k in np.unique(labels):
        name = class_names[k] if k >= 0 else "unknown"
        colour = of_class[name]
        axes.scatter(*points[labels == k].T, s=9, color=colour, label=name, lw=0)
    axes.set(xticks=[], yticks=[])
    _legend(figure, axes)
    return figure


def faces(images, captions, title=None, columns=6):
    """Some faces with a line of text each.

    Args:
        images: sequence of uint8 arrays (height, width, 3).
        captions: as many texts.
        title: of the figure; None is none.
        columns: how many side by side.

    >>> faces([np.zeros((8, 8, 3), np.uint8)], ["anger 0.99"])
    <Figure size ...>
    """
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(1.3 * columns, 1.6 * rows), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=10)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, image, caption in zip(grid, images, captions, strict=False):
        axes.imshow(image)
        axes.set_title(caption, fontsize=7)
    return figure


def _figure(size, title):
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=COLOURS)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_size(9)
    axes.yaxis.label.set_size(9)
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure, axes


def _legend(figure, axes):
    """Below the axes, in as many columns as fit into the figure, at most three."""
    handles, names = axes.get_legend_handles_labels()
    for columns in range(min(3, max(1, len(names))), 0, -1):
        legend = figure.legend(
            handles, names, loc="outside lower center", ncols=columns,
            fontsize=8, frameon=False,
        )  # fmt: skip
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def _fading(colour):
    """A colour map from nothing to a colour that lets the ground through."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    return LinearSegmentedColormap.from_list(
        "fading", [(*to_rgb(colour), 0.0), (*to_rgb(colour), 0.75)]
    )
