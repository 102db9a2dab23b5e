"""Strong views a second in `tf.data`, beside `keras.layers.RandAugment`.

    python tests/benchmarks/rand_augment.py

Faces of 112 pixels in memory, to strong views of 112 pixels, three operations each,
both in `tf.data` on two cores: ours by two workers, Keras' layer mapped over single
images (on a batch it draws one set of operations for all of it). Ours has Cutout too.
"""

import keras
import numpy as np
import tensorflow as tf
from rows import Row, faster, in_turns, rate

from kerasfer.data import synthetic, training_dataset

_SIDE, _BATCH, _REPETITIONS = 112, 64, 7


def ours(faces):
    """Batches of strong views; that of the one labelled face comes with each."""
    return training_dataset(
        faces.subset([0]),
        faces,
        ("strong",),
        batch_size=1,
        unlabeled_ratio=_BATCH,
        workers=2,
    ).map(lambda batch, label: batch["strong"])


def theirs(faces):
    layer = keras.layers.RandAugment(value_range=(0, 255), num_ops=3)
    images = tf.data.Dataset.from_tensor_slices(faces.images).repeat()
    views = images.map(layer, num_parallel_calls=tf.data.AUTOTUNE)
    return views.batch(_BATCH).prefetch(2)


def main():
    faces = synthetic.render_manifest(256, seed=0, size=_SIDE)
    ways = {"ours": iter(ours(faces)), "theirs": iter(theirs(faces))}
    for views in ways.values():
        view = next(views)
        assert view.shape == (_BATCH, _SIDE, _SIDE, 3) and np.std(view) > 10
    # Several batches of ours, so that its buffer is no part of the time.
    calls = {
        "ours": lambda: [next(ways["ours"]) for _ in range(20)],
        "theirs": lambda: next(ways["theirs"]),
    }
    times = in_turns(calls, _REPETITIONS)
    mine, other = rate(20 * _BATCH, times["ours"]), rate(_BATCH, times["theirs"])
    Row(
        f"strong view at {_SIDE} px in `tf.data`, two workers",
        f"{mine:,.0f} images/s",
        f"`keras.layers.RandAugment`: {other:.0f}",
        20 * faster(times, "ours", "theirs"),
        50,
    ).show()


if __name__ == "__main__":
    main()
