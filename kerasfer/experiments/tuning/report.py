"""What a search found: a table, a figure of the space, the best values."""

import math

from kerasfer.analysis.palette import COLOURS
from kerasfer.experiments.plots import figure_of, save_figure
from kerasfer.safe_write import atomic_write


def report(search, tuner):
    """Writes trials.csv, space.png and surface.png, prints the best trials; gives the
    best values.

    Raises:
        ValueError: no trial ended with a score.
    """
    import pandas as pd

    trials = sorted(tuner.oracle.trials.values(), key=lambda t: t.trial_id)
    rows = [
        {
            "trial": trial.trial_id,
            "status": trial.status.lower(),
            search.objective: math.nan if trial.score is None else trial.score,
            **search.values(trial.hyperparameters),
        }
        for trial in trials
    ]
    table = pd.DataFrame(rows)
    with atomic_write(search.folder / "trials.csv") as temporary:
        table.to_csv(temporary, index=False)
    done = table[table["status"] == "completed"]
    if done.empty:
        raise ValueError(
            f"None of {len(table)} trials ended with {search.objective}; see "
            f"{search.folder / 'trials.csv'}."
        )
    ranked = done.sort_values(search.objective, ascending=False)
    _draw_space(search, ranked)
    _draw_surface(search, ranked)
    print(f"\n{ranked.head(10).to_markdown(index=False, floatfmt='.4g')}\n")
    print(f"{len(done)} of {len(table)} trials ended with a score. {search.folder}")
    best = ranked["trial"].iloc[0]
    return next(t.hyperparameters for t in trials if t.trial_id == best)


def _draw_space(search, ranked):
    """The objective over each dimension of the space; the best trial in another
    colour."""
    space = search.space().space
    columns = min(3, len(space))
    lines = -(-len(space) // columns)
    figure, grid = figure_of(
        lines, columns, figsize=(3.6 * columns, 3 * lines), squeeze=False, sharey=True
    )
    for axes, dimension in zip(grid.flat, space, strict=False):
        best, others = ranked.iloc[:1], ranked.iloc[1:]
        for part, style in (
            (others, {"color": COLOURS[0], "label": "trials"}),
            (best, {"color": COLOURS[5], "marker": "*", "s": 140, "label": "best"}),
        ):
            axes.scatter(part[dimension.name], part[search.objective], **style)
        _show_range(axes, dimension)
        axes.set_xlabel(dimension.name)
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(space) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(search.objective)
    grid[0, 0].legend()
    figure.suptitle(f"{search.method}: {len(ranked)} trials, validation faces")
    save_figure(figure, search.folder / "space.png")


def _draw_surface(search, ranked):
    """The objective over the plane of the two dimensions on which it hangs most, as in
    figures on sensitivity; none where there are fewer."""
    space = {d.name: d for d in search.space().space}
    ranks = ranked[[*space]].rank()
    if len(space) < 2 or len(ranked) < 2:
        return
    strength = ranks.corrwith(ranked[search.objective].rank()).abs().fillna(0)
    across, up = (space[name] for name in strength.nlargest(2).index)
    figure, grid = figure_of(1, 1, figsize=(5.6, 4), squeeze=False)
    axes, values = grid[0, 0], ranked[search.objective]
    x, y = ranked[across.name], ranked[up.name]
    if _spans_a_plane(x, y):
        axes.tricontourf(x, y, values, levels=8, alpha=0.6)
    points = axes.scatter(x, y, c=values, edgecolors="black", linewidths=0.5)
    axes.scatter(x.iloc[:1], y.iloc[:1], color=COLOURS[5], marker="*", s=140)
    for dimension, direction in ((across, "x"), (up, "y")):
        getattr(axes, f"set_{direction}label")(dimension.name)
        if getattr(dimension, "sampling", None) == "log":
            getattr(axes, f"set_{direction}scale")("log")
            axis = getattr(axes, f"{direction}axis")
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
    axes.use_sticky_edges = False
    axes.margins(0.08)
    figure.colorbar(points, label=search.objective)
    figure.suptitle(f"{search.method}: {len(ranked)} trials, validation faces")
    save_figure(figure, search.folder / "surface.png")


def _spans_a_plane(x, y):
    """Whether points are enough, and not all on one line."""
    return x.nunique() > 2 and y.nunique() > 2 and len(x) > 5


def _show_range(axes, dimension):
    """The whole range that was searched, whichever points of it were tried."""
    if not hasattr(dimension, "min_value"):
        values = dimension.values
        axes.set_xticks(values, [f"{value:.3g}" for value in values])
        return
    low, high = dimension.min_value, dimension.max_value
    if dimension.sampling == "log":
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter("")
        axes.set_xlim(low / 1.3, high * 1.3)
    else:
        margin = 0.05 * (high - low)
        axes.set_xlim(low - margin, high + margin)
