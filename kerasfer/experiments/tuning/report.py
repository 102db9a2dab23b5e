"""What a search found: a table, a picture of the space, the best values."""

import math

from kerasfer.experiments.pictures import figure_of, save_figure
from kerasfer.safe_write import written_aside


def report(search, tuner):
    """Writes trials.csv and space.png, prints the best trials; gives the best values.

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
    with written_aside(search.folder / "trials.csv") as aside:
        table.to_csv(aside, index=False)
    done = table[table["status"] == "completed"]
    if done.empty:
        raise ValueError(
            f"None of {len(table)} trials ended with {search.objective}; see "
            f"{search.folder / 'trials.csv'}."
        )
    ranked = done.sort_values(search.objective, ascending=False)
    _draw_space(search, ranked)
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
            (others, {"color": "tab:blue", "label": "trials"}),
            (best, {"color": "tab:red", "marker": "*", "s": 140, "label": "best"}),
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
