"""The primitive learner: a classifier, its centroids, its embeddings."""

import numpy as np

import kerasfer
from kerasfer.deploy.safe_loading import load_classifier
from kerasfer.experiments.omni.stages import fingerprint, is_made, new_folder
from kerasfer.experiments.run_folder import RunFolder

_BATCH = 256


def make_primitive(folder, config, split, run_folder, build_model):
    """primitive/: the baseline's classifier, and the centroids of its labelled faces.

    Returns:
        the folder.
    """
    output = folder / "primitive"
    own = config.omni.primitive
    made_from = fingerprint(
        own or RunFolder(run_folder).best_weights, list(split.labeled.names)
    )
    if is_made(output, made_from):
        return output
    with new_folder(output, made_from) as temporary:
        if own:
            classifier = load_classifier(own)
        else:
            model = build_model(config, "baseline", split)
            model.load_weights(str(RunFolder(run_folder).best_weights))
            classifier = model.inference_classifier
        classifier.save(RunFolder(temporary).classifier)
        centroids = kerasfer.omni.class_centroids(
            embedded(classifier, config, split.labeled), split.labeled.num_classes
        )
        np.save(temporary / "centroids.npy", centroids)
    return output


def embedded(classifier, config, manifest, title=None):
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
    for images, labels in tqdm(dataset, title, total, disable=None if title else True):
        yield embed(images).numpy(), labels.numpy()
