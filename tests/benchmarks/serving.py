"""Latency of a SavedModel's uint8 signature, beside the bare backbone's.

    python tests/benchmarks/serving.py

All in one process, in turns, in a graph: the signature "images" at the classifier's own
size (resize, normalisation, head, calibration, names), and the backbone alone on
normalised float32 images: as Keras has it, with variables, and with its weights frozen
to constants as the export's are. All are timed from a TensorFlow tensor to a NumPy
array. Medians of the repetitions, and of the ratios within each; probabilities are
compared with the classifier's.
"""

import pathlib
import tempfile
import time

import numpy as np
import tensorflow as tf

import kerasfer
from kerasfer.deploy.export import Description
from kerasfer.deploy.export.formats import write
from kerasfer.frozen import frozen
from kerasfer.vision.images import EXPRESSIONS

REPETITIONS = 60
CASES = (("compact", 48, 1), ("compact", 48, 64), ("wide_resnet_28_2", 48, 1))
CASES += (("resnet18", 112, 1), ("resnet18", 112, 8))


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(name, side, batch, folder):
    shape = (side, side, 3)
    backbone = kerasfer.backbones.BACKBONES[name](shape)
    classifier = kerasfer.build_classifier(backbone, shape, len(EXPRESSIONS))
    description = Description("expressions", EXPRESSIONS, shape, temperature=1.3)
    path = write("saved_model", classifier, description, folder)
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["images"]
    bare = tf.function(lambda images: {"map": backbone(images, training=False)})
    spec = tf.TensorSpec((None, *shape), tf.float32, "images")
    constant = tf.function(frozen(bare, spec))
    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (batch, *shape), np.uint8))
    normalized = tf.constant(rng.normal(size=(batch, *shape)), tf.float32)

    powers = classifier(tf.cast(images, tf.float32))["probs"].numpy() ** (1 / 1.3)
    expected = powers / powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(signature(images=images)["probs"], expected, atol=1e-5)
    calls = (
        lambda: signature(images=images)["probs"].numpy(),
        lambda: bare(normalized)["map"].numpy(),
        lambda: constant(normalized)["map"].numpy(),
    )
    for call in calls * 5:
        call()
    times = np.array([[seconds(call) for call in calls] for _ in range(REPETITIONS)])
    ours, keras_, constants = 1000 * np.median(times, 0)
    ratios = np.median(times[:, :1] / times[:, 1:], 0)
    print(
        f"{name} {side} px, batch {batch}: {ours:.2f} ms; backbone alone {keras_:.2f} "
        f"ms, ratio {ratios[0]:.2f}; with constants {constants:.2f} ms, ratio "
        f"{ratios[1]:.2f}"
    )


if __name__ == "__main__":
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            measure(*case, pathlib.Path(folder))
