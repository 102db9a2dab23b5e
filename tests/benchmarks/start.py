"""Seconds to import kerasfer beside TensorFlow and Keras, and to print a recipe's help.

    python tests/benchmarks/start.py

Each in a process of its own, in turns, without the interpreter's own start. kerasfer
with what a training uses: its submodules load on first use.
"""

import pathlib
import subprocess
import sys

import numpy as np
from rows import Row, in_turns

_REPETITIONS = 7
_RECIPES = pathlib.Path(__file__).parents[2] / "recipes"
_USED = "schemes", "data.training_dataset", "callbacks", "build_classifier", "metrics"
_IMPORTS = {
    "nothing": "pass",
    "tensorflow": "import tensorflow, keras",
    "kerasfer": "import tensorflow, keras, kerasfer; "
    + "; ".join(f"kerasfer.{name}" for name in _USED),
}


def python(*arguments):
    def run():
        command = [sys.executable, *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True)

    return run


def main():
    ways = {name: python("-c", text) for name, text in _IMPORTS.items()}
    for path in sorted(_RECIPES.glob("*.py")):
        ways[path.name] = python(path, "--help")
    times = in_turns(ways, _REPETITIONS)
    seconds = {name: float(np.median(values)) for name, values in times.items()}
    nothing = seconds.pop("nothing")
    extra = seconds.pop("kerasfer") - seconds["tensorflow"]
    Row(
        "import kerasfer, with what a training uses",
        f"{extra:+.2f} s",
        f"TensorFlow and Keras: {seconds.pop('tensorflow') - nothing:.2f} s",
        None,
        "+0.3 s at most",
    ).show()
    slowest = max(seconds, key=seconds.get)
    Row(
        f"`--help` of the slowest recipe, {slowest}",
        f"{seconds[slowest]:.2f} s",
        f"Python's own start: {nothing:.2f} s",
        None,
        "1.5 s at most",
    ).show()


if __name__ == "__main__":
    main()
