"""Whether the tests notice deliberate faults, each applied to a copy of the checkout.

    python tests/mutation/run.py                  (make mutants; about 20 s a fault)
    python tests/mutation/run.py --only FixMatch

Ends with a table, and with an error if a fault survives, whose tests pass all the same.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).parents[2]
COPIED = ("kerasfer", "recipes", "data_prep", "tests", "docs", "pyproject.toml")
COPIED += ("README.md", "setup.py", "requirements.txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a fault's name")
    asked = parser.parse_args()
    faults = yaml.safe_load((ROOT / "tests/mutation/faults.yaml").read_text())
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        copy.mkdir()
        for name in COPIED:
            place = ROOT / name
            (shutil.copytree if place.is_dir() else shutil.copy)(place, copy / name)
        for package in ("recipes", "data_prep"):
            (copy / "kerasfer" / package).symlink_to(copy / package)
        print("| fault | file | tests | noticed |\n|---|---|---|---|", flush=True)
        for fault in faults:
            if asked.only in fault["fault"]:
                noticed = is_noticed(copy, fault)
                survivors += [] if noticed else [fault["fault"]]
                cells = (fault["fault"], fault["file"], fault["tests"])
                said = "yes" if noticed else "**no**"
                print(f"| {' | '.join(cells)} | {said} |", flush=True)
    if survivors:
        raise SystemExit(f"error: not noticed: {', '.join(survivors)}.")


def is_noticed(copy, fault):
    """Whether the fault's tests fail, as tests do (exit code 1), not for want of them.

    Raises:
        SystemExit: the text is not in the file once: the list is of other code.
    """
    path = copy / fault["file"]
    text = path.read_text()
    if text.count(fault["was"]) != 1:
        raise SystemExit(
            f"error: {fault['fault']}: {fault['file']} has {fault['was']!r} "
            f"{text.count(fault['was'])} times. Expected once."
        )
    path.write_text(text.replace(fault["was"], fault["now"]))
    command = [sys.executable, "-m", "pytest", "-x", "-q", *fault["tests"].split()]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True
        )
    finally:
        path.write_text(text)
    if done.returncode not in (0, 1):
        raise SystemExit(f"error: {fault['fault']}: {done.stdout[-2000:]}")
    return done.returncode == 1


if __name__ == "__main__":
    main()
