"""Pictures of results."""

import contextlib


@contextlib.contextmanager
def at_worst_a_warning(what):
    """A picture that fails is a warning: the training that it is of is finished."""
    try:
        yield
    except Exception as error:  # of a drawing library, by a name or number of the data
        print(f"warning: {what} could not be made: {type(error).__name__}: {error}")


def draw_confusion(path, results):
    """A picture of the confusion matrix, summed over seeds, in shares of each row."""
    import numpy as np
    from sklearn.metrics import ConfusionMatrixDisplay

    counts = np.sum([result["confusion"] for result in results], 0)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes = figure_of(figsize=(6, 5.4))
    display = ConfusionMatrixDisplay(shares, display_labels=results[0]["class_names"])
    display.plot(
        ax=axes, cmap="Blues", values_format=".0f", xticks_rotation=45, colorbar=False
    )
    seeds = ", ".join(str(result["seed"]) for result in results)
    axes.set(
        title=f"{results[0]['method']}, test part, seeds {seeds}",
        xlabel="predicted",
        ylabel="true (% of row)",
    )
    save_figure(figure, path)


def draw_centroid_shift(path, shifts):
    """How far class centroids turned in each epoch: still ones have arrived.

    Args:
        path: of the picture.
        shifts: label -> sequence of `centroid_shift` per epoch, NaN where unknown.
    """
    figure, axes = figure_of(figsize=(6, 4))
    for label, values in shifts.items():
        axes.plot(range(1, len(values) + 1), values, marker=".", label=label)
    axes.set(
        title="How far the class centroids turn",
        xlabel="epoch",
        ylabel="mean way of a unit centroid in the epoch",
    )
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)


def figure_of(*grid, **options):
    """Figure and axes for a file, without a window."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["text.parse_math"] = False  # a class may be called "$5$"
    import matplotlib.pyplot as plt

    return plt.subplots(*grid, layout="constrained", **options)


def save_figure(figure, path):
    """Writes a picture, whole."""
    import matplotlib.pyplot as plt

    from kerasfer.safe_write import written_aside

    with written_aside(path) as aside:
        figure.savefig(aside, dpi=110)
    plt.close(figure)
