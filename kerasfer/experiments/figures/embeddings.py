"""AlexNet's embedding of the training faces from epoch to epoch, as points."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Snapshots:
    """One data set's points: `embeddings` by epoch, each (points, width)."""

    name: str
    labels: np.ndarray
    class_names: tuple
    embeddings: dict


def train(name, manifest, config, width):
    """Trains AlexNet with a large margin on all labels; snapshots after some epochs.

    "Trained in purely supervised manner with the large margin loss": supplement, 1.1.
    """
    import keras

    import kerasfer

    keras.utils.set_random_seed(config.seed)
    shape = (config.image_size, config.image_size, 3)
    backbone = kerasfer.backbones.alexnet(
        shape,
        width,
        dropout=config.dropout,
        # Two numbers that cannot be negative would hold a quarter of the plane.
        embedding_activation=None if width == 2 else "relu",
    )
    model = kerasfer.schemes.LargeMargin(
        kerasfer.build_classifier(
            backbone, shape, manifest.num_classes, normalization="per_plane"
        ),
        unlabeled=False,
        margin_weight=config.margin_weight,
        ema_decay=0.0,
    )
    model.compile(keras.optimizers.Adam(config.learning_rate), metrics=["accuracy"])
    shown = manifest.subset(np.arange(min(len(manifest), config.points)))
    batches = kerasfer.data.evaluation_dataset(shown, image_shape=shape)
    embeddings = {}

    def take(epoch, logs=None):
        if epoch + 1 in config.epochs:
            parts = [model.infer(images)["embedding"] for images, _ in batches]
            embeddings[epoch + 1] = np.concatenate(parts)
            accuracy = f"{100 * logs['accuracy']:.1f} % of the training faces right"
            print(f"{name}, width {width}, epoch {epoch + 1}: {accuracy}")

    model.fit(
        kerasfer.data.training_dataset(
            manifest, batch_size=config.batch_size, image_shape=shape, seed=config.seed
        ),
        epochs=max(config.epochs),
        steps_per_epoch=max(1, len(manifest) // config.batch_size),
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_end=take),
            kerasfer.callbacks.EpochUpdate(
                kerasfer.data.evaluation_dataset(manifest, image_shape=shape)
            ),
        ],
    )
    return Snapshots(name, shown.labels, manifest.class_names, embeddings)


def flattened(snapshots, seed):
    """The same points in the plane, by t-SNE of each epoch on its own."""
    from kerasfer.analysis.figures import plane

    planes = {
        epoch: plane(points, seed) for epoch, points in snapshots.embeddings.items()
    }
    return dataclasses.replace(snapshots, embeddings=planes)


def draw(sets, title):
    """A column a data set, a row an epoch; a colour a class."""
    import matplotlib.pyplot as plt

    from kerasfer.analysis.palette import class_colours

    epochs = list(sets[0].embeddings)
    figure, grid = plt.subplots(
        len(epochs),
        len(sets),
        figsize=(4.2 * len(sets), 3.4 * len(epochs)),
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle(title)
    for column, snapshots in zip(grid.T, sets, strict=True):
        for ax, epoch in zip(column, epochs, strict=True):
            points = snapshots.embeddings[epoch]
            colours = class_colours(snapshots.class_names)
            for k, class_name in enumerate(snapshots.class_names):
                ax.scatter(
                    *points[snapshots.labels == k].T,
                    s=5,
                    color=colours[class_name],
                    label=class_name,
                )
            ax.set(title=f"{snapshots.name}, epoch {epoch}", xticks=[], yticks=[])
        column[0].legend(fontsize=6, markerscale=2)
    return figure
