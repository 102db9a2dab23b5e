"""What a run of the preset takes beside its training steps, in percent of the run.

    python tests/benchmarks/run_parts.py [--manifest FACES.csv]

FixMatch by recipes/pretrained.yaml, on rendered faces or a manifest: seconds of the
steps; of the ends of epochs (validation, checkpoint, curves); and of what comes before
and after them (reading, building, the test set, figures, report). dlib's weights are
the user's to bring (requirements-faces.txt).
"""

import argparse
import dataclasses
import pathlib
import tempfile
import time

from rows import Row

from kerasfer.experiments.flags import parse
from kerasfer.recipes import baselines


def measure(manifest):
    flags = ["--config", "pretrained", "--scheme", "fixmatch"]
    flags += ["--manifest", str(manifest)] if manifest else []
    config = parse(baselines.Config, flags)
    noted = {}

    def train(config, method, run):
        noted["run"] = run
        return baselines.train(config, method, run)

    recipe = dataclasses.replace(baselines.RECIPE, train=train)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        recipe.run(config, "fixmatch", 0, pathlib.Path(folder) / "run")
        whole = time.monotonic() - begin
    epochs = noted["run"].seconds
    steps = sum(epochs.seconds)
    ends, rest = epochs.total - steps, whole - epochs.total
    Row(
        "a run of FixMatch by pretrained.yaml: evaluation, ends of epochs, report",
        f"{100 * (ends + rest) / whole:.1f} %: {ends:.0f} s at the ends of "
        f"{len(epochs.seconds)} epochs, {rest:.0f} s before and after",
        f"steps: {steps:.0f} s",
        None,
        "15 % at most",
    ).show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=pathlib.Path)
    measure(parser.parse_args().manifest)
