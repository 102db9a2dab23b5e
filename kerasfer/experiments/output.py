"""Which runs there are, and what they write: flags."""

import dataclasses
import pathlib

from kerasfer.experiments.flags import require_at_least
from kerasfer.experiments.selections import Selection


@dataclasses.dataclass(frozen=True)
class Output:
    seeds: tuple[int, ...] = (0,)
    """One run each: the split, the initial weights and the order of the data."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder for the runs."""
    resume: bool = False
    """Go on with runs that were cut off, from the end of their last whole epoch."""
    report: bool = True
    """Whether the run writes report.html, and keeps what stands in it."""
    tensorboard: bool = False
    """Whether the run writes `tensorboard/`: scalars, histograms, figures."""
    figures_every: int = 10
    """Epochs from one figure to the next, for TensorBoard."""
    selections: tuple[Selection, ...] = ()
    """Rules beside the best epoch on validation, for comparison: the last epoch, the
    mean of the last ones, and the best on the test set, which is optimistic."""
    last_epochs: int = 5
    """How many epochs mean_last is over."""

    def __post_init__(self):
        require_at_least(self, 0, "seeds")
        require_at_least(self, 1, "last_epochs", "figures_every")
