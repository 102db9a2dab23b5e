"""Do distilled images carry class patterns? (Liu et al., section 4.5, Figure 5)."""

import numpy as np

import kerasfer
from kerasfer.experiments.omni import plots

_EPOCHS = 25


def learnable(folder, seed=0):
    """Trains a small network on five of six snapshots, tests it on the sixth.

    The paper splits 42 images of seven classes 5:1 and finds that a network predicts
    the sixth part easily. **The snapshots are not independent**: all grew from the same
    noise, so that a network may just know it again. `control` is the same test on
    images that were never distilled: one noise a class, and as much change from
    snapshot to snapshot.

    Args:
        folder: of a distillation, with epoch_*.npz.
        seed: of the held-out snapshot and of the network.

    Returns:
        `patterns_accuracy` and `patterns_control`, at the end; patterns.png is the
        curve.
    """
    loaded = [
        kerasfer.omni.distillation.load_images(f)
        for f in sorted(folder.glob("epoch_*.npz"))
    ]
    snapshots = np.stack([images for images, _, _ in loaded])
    labels, names = loaded[0][1:]
    curve = _accuracies(snapshots, labels, len(names), seed)
    plots.draw_curve(
        folder / "patterns.png", curve, "Held-out distilled images recognised"
    )
    control = _accuracies(_undistilled(snapshots, seed), labels, len(names), seed)
    return {"patterns_accuracy": curve[-1], "patterns_control": control[-1]}


def _undistilled(snapshots, seed):
    """Noise of the same deviation, that changes as much between snapshots."""
    rng = np.random.default_rng(seed)
    changes = np.diff(snapshots, axis=0).std(axis=(1, 2, 3, 4), keepdims=True)
    first = snapshots[0].mean() + snapshots[0].std() * rng.normal(
        size=snapshots[0].shape
    )
    walk = np.cumsum(changes * rng.normal(size=snapshots[1:].shape), axis=0)
    return np.concatenate([first[None], first + walk]).astype(np.float32)


def print_patterns(folder, seed):
    found = learnable(folder, seed)
    print(
        f"Held-out distilled images recognised: {found['patterns_accuracy']:.0%}; the "
        f"same of images never distilled: {found['patterns_control']:.0%}. "
        f"{folder / 'patterns.png'}"
    )


def _accuracies(snapshots, labels, num_classes, seed):
    """Accuracy on the held-out snapshot after each epoch."""
    import keras

    keras.utils.set_random_seed(seed)
    held_out = int(np.random.default_rng(seed).integers(len(snapshots)))
    rest = np.delete(snapshots, held_out, axis=0)
    shape = snapshots.shape[2:]
    classifier = kerasfer.build_classifier("compact", shape, num_classes, "per_plane")
    network = keras.Model(classifier.input, classifier.output["probs"])
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = network.fit(
        rest.reshape(-1, *shape),
        np.tile(labels, len(rest)),
        validation_data=(snapshots[held_out], labels),
        batch_size=7,
        epochs=_EPOCHS,
        verbose=0,
    )
    return [float(value) for value in history.history["val_accuracy"]]
