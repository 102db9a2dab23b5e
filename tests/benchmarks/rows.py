"""What every benchmark shares: ways that are timed in turns, and a row of the table.

Other work on the machine then meets both sides alike. A row is a line of Markdown with
the columns of `COLUMNS`; `make bench` puts the rows of all benchmarks together.
"""

import dataclasses
import time

import numpy as np

_PAUSE = 0.02  # seconds, in which threads of the other side cease to wait in a loop
COLUMNS = ("what", "ours", "against", "ratio", "at least")


def seconds(call):
    """Of one call, and what it gave."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def in_turns(ways, repetitions, warm_up=1):
    """Name -> seconds of each repetition, (repetitions,), of functions called in turn.

    Args:
        ways: name -> function without arguments.
        repetitions: of each.
        warm_up: calls of each before that, which are not counted.
    """
    for _ in range(warm_up):
        for call in ways.values():
            call()
    times = []
    for _ in range(repetitions):
        times.append([])
        for call in ways.values():
            time.sleep(_PAUSE)
            times[-1].append(seconds(call)[0])
    return dict(zip(ways, np.array(times).T, strict=True))


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: is measured, with its sizes.
        ours: a number with its unit.
        against: what it is compared with, and its number; or why that is absent.
        ratio: how many times better ours is; None if the other side is absent.
        at_least: the ratio to reach, or a text where it is another kind of limit.
    """

    what: str
    ours: str
    against: str
    ratio: float | None
    at_least: float | str

    def show(self):
        reach = self.at_least
        reach = reach if isinstance(reach, str) else f"{reach:g}"
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        print(f"| {self.what} | {self.ours} | {self.against} | {ratio} | {reach} |")


def faster(times, ours, theirs):
    """Median of the ratios of their seconds over ours, turn by turn."""
    return float(np.median(times[theirs] / times[ours]))


def rate(count, times):
    """`count` things in the median time, a second."""
    return count / float(np.median(times))
