"""Figures of results."""

import contextlib


@contextlib.contextmanager
def at_worst_a_warning(what):
    """A figure that fails is a warning: the training that it is of is finished."""
    try:
        yield
    except Exception as error:  # of a drawing library, by a name or number of the data
        print(f"warning: {what} could not be made: {type(error).__name__}: {error}")


def draw_confusion(path, results):
    """A figure of the confusion matrix, summed over seeds, in shares of each row."""
    import numpy as np

    from kerasfer.analysis import figures

    _set_up()
    counts = np.sum([result["confusion"] for result in results], 0)
    seeds = ", ".join(str(result["seed"]) for result in results)
    title = f"{results[0]['method']}, test set, seeds {seeds}"
    figure = figures.confusion(counts, results[0]["class_names"], title)
    save_figure(figure, path)


def draw_centroid_shift(path, shifts):
    """How far class centroids turned in each epoch: still ones have arrived.

    Args:
        path: of the figure.
        shifts: label -> sequence of `centroid_shift` per epoch, NaN where unknown.
    """
    from kerasfer.analysis import figures

    _set_up()
    ylabel = "mean way of a unit centroid in the epoch"
    figure = figures.curves(shifts, ylabel, "How far the class centroids turn")
    figure.axes[0].set_ylim(bottom=0)
    save_figure(figure, path)


def figure_of(*grid, **options):
    """Figure and axes for a file, without a window."""
    _set_up()
    import matplotlib.pyplot as plt

    return plt.subplots(*grid, layout="constrained", **options)


def save_figure(figure, path):
    """Writes a figure, whole, and beside it the same as PDF and SVG, for papers and
    slides."""
    import matplotlib.pyplot as plt

    from kerasfer.safe_write import atomic_write

    for suffix in (path.suffix, ".pdf", ".svg"):
        with atomic_write(path.with_suffix(suffix)) as temporary:
            figure.savefig(temporary, dpi=200, format=suffix[1:])
    plt.close(figure)


def _set_up():
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["text.parse_math"] = False  # a class may be called "$5$"
    matplotlib.rcParams["pdf.fonttype"] = 42  # journals want fonts, not outlines
