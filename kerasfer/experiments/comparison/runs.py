"""Which runs are compared, and under which names."""

import collections
import dataclasses
import pathlib

from kerasfer.experiments.facts import facts_if_whole, read_facts, read_settings
from kerasfer.experiments.run_folder import RunFolder
from kerasfer.experiments.run_reader import FinishedRun
from kerasfer.experiments.study.plan import is_study, read_plan


@dataclasses.dataclass(frozen=True)
class Compared:
    """A run with the name of its method in the comparison."""

    method: str
    run: FinishedRun

    @property
    def pair(self):
        """What runs of two methods must share to be a pair: seed, protocol, data."""
        config = self.run.config
        return config["seed"], config["protocol"], str(config["manifest"])


def collected(folders):
    """The finished runs in folders, as a list of `Compared`, in their order.

    A folder is that of a run, of anything above runs, or of a study
    (`runs/study/NAME`), whose methods have their names in the study.
    Two runs of one method on one seed and protocol get the name of the folder that was
    given beside the method's.

    Raises:
        ValueError: no finished run in a folder, runs of both tasks, or a run twice.
    """
    found = []
    for folder in map(pathlib.Path, folders):
        runs = [*_of_study(folder), *_outermost(folder)]
        if not runs:
            raise ValueError(
                f"{folder} holds no finished run: no result.json below it."
            )
        found += [(folder, name, run) for name, run in runs]
    places = [run.folder.resolve() for _, _, run in found]
    if len(set(places)) < len(places):
        raise ValueError("A run is given twice; give each folder once.")
    if len({run.task for _, _, run in found}) > 1:
        raise ValueError("Runs on expressions and on units have no common score.")
    compared = [Compared(name, run) for _, name, run in found]
    times = collections.Counter((one.method, one.pair) for one in compared)
    if max(times.values()) == 1:
        return compared
    named = [
        Compared(f"{one.method} ({folder.name})", one.run)
        for (folder, _, _), one in zip(found, compared, strict=True)
    ]
    if max(collections.Counter((one.method, one.pair) for one in named).values()) > 1:
        raise ValueError(
            "Two runs have one method, seed, protocol and folder: give folders that "
            "hold one of them each."
        )
    return named


def _of_study(folder):
    """(method, run) of a study: its runs lie elsewhere below the same `--out`."""
    folder = folder.resolve()
    if not is_study(folder):
        return
    out = folder.parent.parent
    for entry in read_plan(out, folder.name):
        for run in entry["runs"]:
            for _, finished in _outermost(out / run["folder"]):
                yield entry["method"], finished


def _outermost(folder):
    """(method, run) of the finished runs below a folder, without the stages of a chain
    within a run."""
    taken = []
    for path in sorted(folder.rglob(RunFolder(folder).result.name)):
        if not any(path.is_relative_to(place) for place in taken):
            taken.append(path.parent)
            files = RunFolder(path.parent)
            settings = read_settings(files.config)
            if "test_part" in settings:
                continue  # of a search or a chain: its test set was not read
            result = read_facts(files.result)
            env = facts_if_whole(files.env)
            yield result["method"], FinishedRun(path.parent, settings, env, result)
