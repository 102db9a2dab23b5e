"""What a finished run keeps, so that an export needs nothing but its folder."""

import numpy as np

from kerasfer.safe_write import written_aside

from . import faces as data

CLASSIFIER = "classifier.keras"
SAMPLES = "samples.npz"
VALIDATION = "predictions_validation.csv"

_NUM_SAMPLES = 32


def keep_for_export(folder, faces, task, model, split):
    """Writes the evaluated classifier, its predictions on validation faces, and a few
    of these as it takes them, to compare an export on.

    Returns:
        facts for the result: how the outputs are called, and how many faces were in
        each part.
    """
    with written_aside(folder / CLASSIFIER) as aside:
        model.inference_classifier.save(aside)
    task.write_validation(folder / VALIDATION, faces, model, split)
    some = data.evenly_spaced(split.validation, _NUM_SAMPLES)
    batches = [images for images, _ in data.build_evaluation_data(faces, some)]
    with written_aside(folder / SAMPLES) as aside:
        np.savez(aside, images=np.concatenate(batches))
    parts = ("labeled", "unlabeled", "validation", "test")
    return {
        "outputs": list(task.names_of(split)),
        "faces": {name: len(getattr(split, name)) for name in parts},
    }
