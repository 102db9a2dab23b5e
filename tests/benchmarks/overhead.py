"""Seconds of a step of each scheme over the same step without what is its own.

    python tests/benchmarks/overhead.py

The compact network at 48 pixels, 64 labelled and 64 unlabelled faces, Adam, the
EMA model; steps of both in turn. The smaller the network the larger the ratio: with
a ResNet the network takes ten times as long, and what a scheme adds is the same.
"""

import types

import keras
import numpy as np
import tensorflow as tf
from rows import Row, faster, in_turns

import kerasfer
from kerasfer.data import synthetic, training_dataset
from kerasfer.plug_ins import ReMoP
from kerasfer.schemes import AdaCM, FixMatch, FlexMatch, MarginMix, MixMatch
from kerasfer.training.read_order import reads_before_writes

_FACES, _BATCH, STEPS, _REPETITIONS = 2000, 64, 4, 31


def stepper(scheme, faces, backbone="compact", batch=_BATCH, jit_compile=False):
    """A function that trains on the same batch a few times."""
    keras.utils.set_random_seed(0)
    shape = faces.image(0).shape
    model = scheme(kerasfer.build_classifier(backbone, shape, faces.num_classes))
    model.compile(keras.optimizers.Adam(1e-4), jit_compile=jit_compile)
    data = training_dataset(faces, faces, model.all_views, batch)
    batches = iter(tf.data.Dataset.from_tensors(next(iter(data))).repeat())
    with reads_before_writes():
        model.make_train_function()
        model.train_function(batches)

    def steps():
        for _ in range(STEPS):
            model.train_function(batches)

    return steps


def with_fixed_margins(classifier):
    """Ada-CM with one threshold for all classes that never moves."""
    model = AdaCM(classifier)
    model.margin = types.SimpleNamespace(margins=np.full(8, 0.8, np.float32))
    return model


def main():
    faces = synthetic.render_manifest(_FACES, seed=0)
    classes = faces.num_classes
    cases = {
        "Margin-Mix (centroids, large margin; within epochs too) over MixMatch": (
            lambda c: MarginMix(c, centroid_momentum=0.9),
            MixMatch,
        ),
        "FlexMatch's memory of a million faces over FixMatch": (
            lambda c: FlexMatch(c, num_unlabeled=10**6),
            FixMatch,
        ),
        "FixMatch + ReMoP over FixMatch": (
            lambda c: FixMatch(c, plug_ins=(ReMoP(classes),)),
            FixMatch,
        ),
        "Ada-CM's margins over a fixed threshold": (AdaCM, with_fixed_margins),
    }
    for what, (scheme, plain) in cases.items():
        ways = {"ours": stepper(scheme, faces), "plain": stepper(plain, faces)}
        times = in_turns(ways, _REPETITIONS)
        ours, others = (
            1000 * np.median(times[name]) / STEPS for name in ("ours", "plain")
        )
        Row(
            f"step: {what}",
            f"{ours:.1f} ms",
            f"without: {others:.1f} ms",
            1 / faster(times, "ours", "plain"),
            "1.03 at most",
        ).show()


if __name__ == "__main__":
    main()
