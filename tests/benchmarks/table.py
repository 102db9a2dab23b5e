"""The table of all benchmarks: docs/measured/benchmarks.md.

    python tests/benchmarks/table.py [--photos FOLDER]

Each runs in a process of its own, one after the other; about half an hour on two cores.
Leave the machine alone meanwhile. torch and torchvision (see pytorch.py) and a folder
of photos are the user's to bring; a row says where one is absent.
"""

import argparse
import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys

from rows import COLUMNS

_HERE = pathlib.Path(__file__).parent
_OUT = _HERE.parents[1] / "docs/measured/benchmarks.md"
_BENCHMARKS = (
    ("views.py",),
    ("cache.py",),
    ("rand_augment.py",),
    ("scaling.py",),
    ("steps.py",),
    ("steps.py", "--threads", "step"),
    ("fine_tuning.py",),
    ("fine_tuning.py", "--threads", "step"),
    ("step_profile.py",),
    ("overhead.py",),
    ("precision.py",),
    ("detection.py",),
    ("shards.py",),
    ("memory.py",),
    ("start.py",),
    ("all_reduce.py",),
)
_PACKAGES = ("tensorflow", "keras", "opencv-python", "torch", "torchvision", "mtcnn")


def rows_of(benchmark, photos):
    """Lines of Markdown; one that says so if it failed or has nothing to run on."""
    name, *options = benchmark
    if name == "detection.py":
        if photos is None:
            return ["| MTCNN | - | absent: photos (`--photos FOLDER`) | - | 4 |"]
        options = [photos]
    command = [sys.executable, _HERE / name, *map(str, options)]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        print(process.stderr[-2000:], file=sys.stderr)
        return [f"| {name} | failed | - | - | - |"]
    return [line for line in process.stdout.splitlines() if line.startswith("|")]


def machine():
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    cpu = [
        line.partition(":")[2].strip()
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{datetime.date.today()}, {len(os.sched_getaffinity(0))} cores of {cpu[0]}, "
        f"Python {platform.python_version()}, {', '.join(versions)}."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=pathlib.Path, help="of heads, *.jpg")
    photos = parser.parse_args().photos
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench` on {machine()}",
        "",
        "Both sides of a row run in turns in one process; medians, and the median of "
        "the ratios turn by turn. What is compared, and how it is asserted that both "
        "compute the same, stands at the top of each file of `tests/benchmarks/`.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    for benchmark in _BENCHMARKS:
        for line in rows_of(benchmark, photos):
            print(line, flush=True)
            lines.append(line)
    _OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
