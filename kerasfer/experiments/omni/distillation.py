"""The distillation of a set of faces into an image a class."""

import dataclasses

import kerasfer
from kerasfer.deploy.safe_loading import load_classifier
from kerasfer.experiments.omni import plots
from kerasfer.experiments.omni.stages import fingerprint, is_made, new_folder
from kerasfer.experiments.progress import progress_of_epochs
from kerasfer.experiments.run_folder import RunFolder

# Of `--start`: the networks that images are distilled for.
_WEIGHTS_OF = {"primitive": "fixed", "primitive_body": "pretrained_random_head"}


def make_distilled(folder, name, config, manifest, primitive, seed, new_classifier):
    """distilled/: images that stand for a manifest, their evolution, figures.

    A stopped distillation goes on from its last outer epoch, to the same bits.

    Args:
        folder: of the stages; `name` is that of the output in it.
        manifest: the faces, labelled.
        primitive: folder of the primitive learner.
        new_classifier: () -> the network as the training starts it; distilled for where
            the training does not start from the primitive learner.

    Returns:
        path of distilled.npz.
    """
    if config.omni.distilled:
        return config.omni.distilled
    output = folder / name
    settings = {
        key: value
        for key, value in dataclasses.asdict(config.omni).items()
        if key.startswith("distill_") or key in ("step_size", "start")
    }
    made_from = fingerprint(
        settings,
        seed,
        RunFolder(primitive).classifier,
        list(manifest.names),
        manifest.labels.tolist(),
    )
    if not is_made(output, made_from):
        unfinished = (RunFolder(output).checkpoints.name,)
        with new_folder(output, made_from, unfinished) as temporary:
            classifier = _pool(config, primitive, new_classifier)
            _distill(temporary, made_from, config, manifest, classifier, seed)
    return output / "distilled.npz"


def _pool(config, primitive, new_classifier):
    """The classifier that theta_0 comes from, without dropout."""
    from kerasfer.training.copies import copy_of

    given = config.omni.distill_weights is not None
    if given or config.omni.start != "pretrained":
        return copy_of(load_classifier(RunFolder(primitive).classifier), rate=0.0)
    return copy_of(new_classifier(), rate=0.0)


def _weights(config):
    """Which networks: those that the training starts with, if nothing else is asked."""
    known = config.network.backbone_weights
    of_new = "pretrained_random_head" if known else "random"
    return config.omni.distill_weights or _WEIGHTS_OF.get(config.omni.start, of_new)


def _rate(omni, steps):
    from keras.optimizers import schedules

    if not omni.distill_halved_every:
        return omni.distill_rate
    return schedules.ExponentialDecay(
        omni.distill_rate, omni.distill_halved_every * steps, 0.5, staircase=True
    )


def _distill(folder, made_from, config, manifest, classifier, seed):
    import keras

    from kerasfer.callbacks.checkpoint import Checkpoint

    omni = config.omni
    one_pass = -(-len(manifest) // omni.distill_batch)
    steps_per_epoch = omni.distill_steps_per_epoch or one_pass
    distiller = kerasfer.omni.distillation.DatasetDistiller(
        classifier,
        manifest.class_names,
        config.faces.image_shape,
        weights=_weights(config),
        num_networks=omni.distill_networks,
        steps=omni.distill_steps,
        epochs=omni.distill_passes,
        step_size=omni.step_size,
        batch_statistics=omni.distill_batch_statistics,
        seed=seed,
    )
    rate = _rate(omni, steps_per_epoch)
    distiller.compile(keras.optimizers.Adam(rate, beta_1=0.5))
    files = RunFolder(folder)
    checkpoint = Checkpoint(
        files.checkpoints, {"made_from": made_from}, files=[files.metrics]
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
            start_step=done * steps_per_epoch,
            image_shape=config.faces.image_shape,
            pad=config.faces.pad,
        ),
        initial_epoch=done,
        epochs=omni.distill_epochs,
        steps_per_epoch=steps_per_epoch,
        verbose=0,
        callbacks=[
            progress_of_epochs("distilling"),
            Evolution(),
            keras.callbacks.CSVLogger(str(files.metrics), append=done > 0),
            checkpoint,
        ],
    )
    distiller.save_images(folder / "distilled.npz")
    plots.draw_distilled(folder / "distilled.png", folder / "distilled.npz")
    plots.draw_evolution(folder / "evolution.png", sorted(folder.glob("epoch_*.npz")))
