"""The distillation of a set of faces into an image a class."""

import dataclasses

import kerasfer

from ..kept import load_classifier
from ..progress import progress_bar
from ..runs import CHECKPOINTS
from ..stages import fingerprint, is_made, new_folder
from . import pictures


def make_distilled(folder, name, config, manifest, primitive, seed):
    """distilled/: images that stand for a manifest, their evolution, pictures.

    A stopped distillation goes on from its last outer epoch, to the same bits.

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
        with new_folder(output, made_from, unfinished=(CHECKPOINTS,)) as aside:
            _distill(aside, made_from, config, manifest, primitive, seed)
    return output / "distilled.npz"


def _distill(folder, made_from, config, manifest, primitive, seed):
    import keras

    from kerasfer.checkpoints import Checkpoint

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
    metrics = folder / "metrics.csv"
    checkpoint = Checkpoint(
        folder / CHECKPOINTS, {"made_from": made_from}, files=[metrics]
    )
    done = checkpoint.resume(distiller)
    if done:
        print(f"{folder} goes on after {done} of {omni.distill_epochs} epochs.")
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
            start_step=done * omni.distill_steps_per_epoch,
            image_shape=config.faces.image_shape,
            pad=config.faces.pad,
        ),
        initial_epoch=done,
        epochs=omni.distill_epochs,
        steps_per_epoch=omni.distill_steps_per_epoch,
        verbose=0,
        callbacks=[
            progress_bar("distilling"),
            Evolution(),
            keras.callbacks.CSVLogger(str(metrics), append=done > 0),
            checkpoint,
        ],
    )
    distiller.save_images(folder / "distilled.npz")
    pictures.draw_distilled(folder / "distilled.png", folder / "distilled.npz")
    pictures.draw_evolution(
        folder / "evolution.png", sorted(folder.glob("epoch_*.npz"))
    )
