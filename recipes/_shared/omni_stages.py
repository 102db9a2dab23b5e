"""The stages of omni-supervision: primitive learner, selection, distillation."""

import dataclasses
import pathlib
from typing import Literal

import numpy as np

import kerasfer

from . import omni_pictures as pictures
from .flags import require_above_0, require_at_least, require_within
from .progress import progress_bar
from .stages import fingerprint, finish, is_made, new_folder

_BATCH = 256  # of embedding


@dataclasses.dataclass(frozen=True)
class Omni:
    primitive: pathlib.Path | None = None
    """A classifier.keras of your own instead of the baseline's."""
    selected: pathlib.Path | None = None
    """A selected.csv of your own (path, label) instead of the selection."""
    distilled: pathlib.Path | None = None
    """A distilled.npz of your own instead of the distillation."""
    delta: float | None = None
    """Smallest cosine margin; None calibrates it to keep-fraction."""
    keep_fraction: float = 0.1
    """Of the sea that is kept; the paper keeps 0.0237 of 5.8 million."""
    most_per_class: int | None = None
    """Keeps so many of each class at most, of the largest margins."""
    start: Literal["pretrained", "primitive"] = "pretrained"
    """Weights that the final training starts from."""
    distill_weights: Literal["pretrained_random_head", "fixed", "random"] = (
        "pretrained_random_head"
    )
    """Networks that the images are distilled for."""
    distill_networks: int = 1
    """Drawn for each outer step."""
    distill_steps: int = 1
    """Inner steps, each with images of its own."""
    distill_passes: int = 3
    """Times that the inner steps go through their images."""
    distill_epochs: int = 60
    """Outer epochs; images are kept every sixth of them."""
    distill_steps_per_epoch: int = 10
    """Outer steps of an epoch."""
    distill_batch: int = 64
    """Real faces an outer step."""
    distill_rate: float = 0.01
    """Of the outer Adam, with beta_1 = 0.5."""
    step_size: float = 0.02
    """Inner step sizes at first."""

    def __post_init__(self):
        require_within(self, 1e-6, 1, "keep_fraction")
        require_above_0(self, "distill_rate", "step_size")
        names = ("networks", "steps", "passes", "steps_per_epoch", "batch")
        require_at_least(self, 1, *(f"distill_{name}" for name in names))
        require_at_least(self, 6, "distill_epochs")
        if self.delta is not None:
            require_within(self, 0, 2, "delta")
        if self.most_per_class is not None:
            require_at_least(self, 1, "most_per_class")


SELECTION = ("primitive", "selected", "delta", "keep_fraction", "most_per_class")


def config_of(config, method):
    """The config of one training: without the stages that it does not hang on."""
    omni = config.omni
    if method.startswith("das"):
        return config
    kept = () if method == "baseline" else (*SELECTION, "start")
    settings = {name: getattr(omni, name) for name in kept}
    return dataclasses.replace(config, omni=Omni(**settings))


def make_primitive(folder, config, split, run_folder, build_model):
    """primitive/: the baseline's classifier, and the centroids of its labelled faces.

    Returns:
        the folder.
    """

    output = folder / "primitive"
    own = config.omni.primitive
    made_from = fingerprint(
        own or run_folder / "best.weights.h5", list(split.labeled.names)
    )
    if is_made(output, made_from):
        return output
    with new_folder(output, made_from) as aside:
        if own:
            classifier = load_classifier(own)
        else:
            model = build_model(config, "baseline", split)
            model.load_weights(str(run_folder / "best.weights.h5"))
            classifier = model.inference_classifier
        classifier.save(aside / "classifier.keras")
        centroids = kerasfer.omni.class_centroids(
            _embedded(classifier, config, split.labeled), split.labeled.num_classes
        )
        np.save(aside / "centroids.npy", centroids)
    return output


def load_classifier(path):
    """A classifier of `classifier.save`, with the layers that this package knows."""
    import keras

    import kerasfer.layers  # noqa: F401 (registers them)

    return keras.models.load_model(path)


def make_selection(folder, config, split, primitive):
    """selected.csv: path, label, cosine margin, rank; and a contact sheet.

    Returns:
        manifest of the selected faces, with their pseudo-labels; and what is known of
        the selection, for the result.
    """
    import pandas as pd

    from kerasfer.safe_write import written_aside

    output, omni, sea = folder / "selected.csv", config.omni, split.unlabeled
    if omni.selected:
        table = pd.read_csv(omni.selected, dtype=str)
    else:
        settings = [omni.delta, omni.keep_fraction, omni.most_per_class]
        made_from = fingerprint(
            settings, primitive / "classifier.keras", list(sea.names)
        )
        if not is_made(output, made_from):
            table = _select(folder, config, sea, primitive, split.labeled.class_names)
            with written_aside(output) as aside:
                table.to_csv(aside, index=False, float_format="%.6f")
            finish(output, made_from)
        table = pd.read_csv(output, dtype=str)
    selected = _with_labels(table, sea, split.labeled.class_names)
    if not omni.selected:
        pictures.draw_contact_sheet(folder / "selected.png", selected)
    return selected, _purity(selected, sea)


def _select(folder, config, sea, primitive, class_names):
    import pandas as pd

    classifier = load_classifier(primitive / "classifier.keras")
    centroids = np.load(primitive / "centroids.npy")
    embeddings = _on_disk(
        folder / ".sea_embeddings.npy",
        _embedded(classifier, config, sea, "Embedding the sea"),
        (len(sea), centroids.shape[1]),
    )
    delta = config.omni.delta
    if delta is None:
        fraction = config.omni.keep_fraction
        delta = kerasfer.omni.calibrated_delta(_rows(embeddings), centroids, fraction)
    indices, labels, margins = kerasfer.omni.select(
        _rows(embeddings), centroids, delta, config.omni.most_per_class
    )
    (folder / ".sea_embeddings.npy").unlink()
    if not len(indices):
        raise ValueError(
            f"No face of the sea has a cosine margin of {delta}. Lower --delta, or "
            "leave it out and give --keep-fraction."
        )
    print(f"Selected {len(indices)} of {len(sea)} faces with a margin of {delta:.5f}.")
    table = pd.DataFrame(
        {
            "path": sea.names[indices],
            "label": [class_names[k] for k in labels],
            "cosine_margin": margins,
        }
    )
    ranks = table.groupby("label")["cosine_margin"].rank(
        ascending=False, method="first"
    )
    return table.assign(rank=ranks.astype(int)).sort_values(["label", "rank"])


def _on_disk(path, batches, shape):
    """Embeddings in a file, so that memory does not grow with the sea."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    start = 0
    for embeddings, _ in batches:
        array[start : start + len(embeddings)] = embeddings
        start += len(embeddings)
    return array


def _rows(array):
    return (array[i : i + _BATCH] for i in range(0, len(array), _BATCH))


def _embedded(classifier, config, manifest, title=None):
    """(embeddings, labels) in batches, with progress where there is a title."""
    import tensorflow as tf
    from tqdm import tqdm

    embed = tf.function(
        lambda images: classifier(images, training=False)["embedding"],
        reduce_retracing=True,
    )
    dataset = kerasfer.data.evaluation_dataset(
        manifest, _BATCH, config.faces.image_shape
    )
    total = -(-len(manifest) // _BATCH)
    for images, labels in tqdm(dataset, title, total, disable=title is None):
        yield embed(images).numpy(), labels.numpy()


def _with_labels(table, sea, class_names):
    """The selected rows of the sea, in the order of the table, with its labels."""
    rows = {name: row for row, name in enumerate(sea.names)}
    unknown = [path for path in table["path"] if path not in rows]
    if unknown:
        raise ValueError(
            f"{len(unknown)} selected faces are not among the unlabelled ones, the "
            f"first is {unknown[0]}."
        )
    index = {name: k for k, name in enumerate(class_names)}
    labels = table["label"].map(index)
    if labels.isna().any():
        raise ValueError(
            f"Selected faces have labels outside of {', '.join(class_names)}."
        )
    selected = sea.subset(np.array([rows[path] for path in table["path"]]))
    return dataclasses.replace(selected, labels=labels.to_numpy(np.int32))


def _purity(selected, sea):
    """How many were selected, and how many rightly, of those whose class is known."""
    row = {name: k for k, name in enumerate(sea.names)}
    truth = sea.labels[[row[name] for name in selected.names]]
    known = truth >= 0
    result = {"selected": len(selected), "selected_known": int(known.sum())}
    if known.any():
        result["purity"] = float((truth == selected.labels)[known].mean())
    return result


def make_distilled(folder, name, config, manifest, primitive, seed):
    """distilled/: images that stand for a manifest, their evolution, pictures.

    A stopped distillation goes on from its last outer epoch.

    Returns:
        path of distilled.npz.
    """
    if config.omni.distilled:
        return config.omni.distilled
    output = folder / name
    settings = {
        key: value
        for key, value in dataclasses.asdict(config.omni).items()
        if key.startswith("distill_") or key == "step_size"
    }
    made_from = fingerprint(
        settings,
        seed,
        primitive / "classifier.keras",
        list(manifest.names),
        manifest.labels.tolist(),
    )
    if not is_made(output, made_from):
        checkpoint = "distiller.weights.h5"
        with new_folder(output, made_from, keep=(checkpoint,)) as aside:
            _distill(aside, checkpoint, config, manifest, primitive, seed)
    return output / "distilled.npz"


def _distill(folder, checkpoint, config, manifest, primitive, seed):
    import keras

    from kerasfer.callbacks import SaveWeights

    omni = config.omni
    distiller = kerasfer.distillation.DatasetDistiller(
        load_classifier(primitive / "classifier.keras"),
        manifest.class_names,
        config.faces.image_shape,
        weights=omni.distill_weights,
        num_networks=omni.distill_networks,
        steps=omni.distill_steps,
        epochs=omni.distill_passes,
        step_size=omni.step_size,
        seed=seed,
    )
    distiller.compile(keras.optimizers.Adam(omni.distill_rate, beta_1=0.5))
    if (folder / checkpoint).exists():
        distiller.optimizer.build(distiller.trainable_variables)
        distiller.load_weights(str(folder / checkpoint))
    done = int(distiller.outer_steps.numpy())
    every = omni.distill_epochs // 6

    class Evolution(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if (epoch + 1) % every == 0:
                distiller.save_images(folder / f"epoch_{epoch + 1:04d}.npz")

    distiller.fit(
        kerasfer.data.training_dataset(
            manifest,
            batch_size=omni.distill_batch,
            seed=seed,
            start_step=done,
            image_shape=config.faces.image_shape,
            pad=config.faces.pad,
        ),
        initial_epoch=done // omni.distill_steps_per_epoch,
        epochs=omni.distill_epochs,
        steps_per_epoch=omni.distill_steps_per_epoch,
        verbose=0,
        callbacks=[
            progress_bar("distilling"),
            Evolution(),
            SaveWeights(folder / checkpoint),
            keras.callbacks.CSVLogger(str(folder / "metrics.csv"), append=done > 0),
        ],
    )
    distiller.save_images(folder / "distilled.npz")
    pictures.draw_distilled(folder / "distilled.png", folder / "distilled.npz")
    pictures.draw_evolution(
        folder / "evolution.png", sorted(folder.glob("epoch_*.npz"))
    )
