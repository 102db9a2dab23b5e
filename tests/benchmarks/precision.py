"""Seconds of a FixMatch step in bfloat16 and under XLA, over those in plain float32.

    python tests/benchmarks/precision.py

The compact network at 48 pixels, 64 faces a view, and ResNet-18 at 112 pixels, 16; all
in turns on the same batch. What they learn is compared in tests/test_contract.py.
"""

import keras
import numpy as np
from overhead import STEPS, stepper
from rows import Row, faster, in_turns

from kerasfer.data import synthetic
from kerasfer.schemes import FixMatch

_REPETITIONS = 5
_CASES = (("compact", 48, 64), ("resnet18", 112, 16))
_WAYS = {
    "float32": ("float32", False),
    "float32, XLA": ("float32", True),
    "bfloat16": ("mixed_bfloat16", False),
    "bfloat16, XLA": ("mixed_bfloat16", True),
}


def measure(backbone, side, batch):
    faces = synthetic.render_manifest(500, seed=0, size=side)
    ways = {}
    for name, (policy, jit_compile) in _WAYS.items():
        keras.mixed_precision.set_global_policy(policy)
        ways[name] = stepper(FixMatch, faces, backbone, batch, jit_compile)
    times = in_turns(ways, _REPETITIONS)
    milliseconds = {
        name: f"{1000 * np.median(values) / STEPS:.0f} ms"
        for name, values in times.items()
    }
    for name in list(_WAYS)[1:]:
        Row(
            f"FixMatch step, {backbone}, {side} px: {name}",
            milliseconds[name],
            f"float32: {milliseconds['float32']}",
            faster(times, name, "float32"),
            "-",
        ).show()


if __name__ == "__main__":
    for case in _CASES:
        measure(*case)
