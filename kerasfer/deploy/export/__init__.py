"""A trained classifier as files that serve it, checked in a fresh process.

>>> from kerasfer.deploy.export import Description, export_classifier
>>> description = Description("expressions", names, (48, 48, 3))
>>> export_classifier(classifier, "exported", description, faces)  # doctest: +SKIP
"""

import pathlib

import numpy as np

from kerasfer.deploy.export.description import Description
from kerasfer.deploy.export.formats import FILES, write
from kerasfer.deploy.export.parity import ParityError, Written, check
from kerasfer.deploy.safe_loading import check_model
from kerasfer.safe_write import new_folder

__all__ = ["FILES", "Description", "ParityError", "export_classifier"]


def export_classifier(classifier, out, description, samples, formats=("saved_model",)):
    """Writes a classifier with its preprocessing, and checks what was written.

    The files are `FILES` of the formats, in the folder `out`; each has the description
    inside. A SavedModel takes JPEG or PNG files, and images of any size
    (`graph.ServedModel`); ONNX and LiteRT take uint8 images of the classifier's size
    and are float32; "keras" is the classifier as it is, to go on with. Nothing stands
    under its name before all are written and checked.

    Args:
        classifier: a Keras model, image -> {"embedding", "logits", "probs"}: of a
            scheme, its `inference_classifier`, with the averaged weights and what
            plug-ins put in the place of `probs`.
        out: path of a folder, where nothing stands.
        description: a `Description`.
        samples: real faces, uint8 (n, height, width, channels), as the classifier takes
            them.
        formats: some of "saved_model", "onnx", "litert", "keras".

    Returns:
        format -> largest difference from the classifier.

    Raises:
        FileExistsError: something stands at `out`.
        ImportError: a package of a format is missing.
        ParityError: an export that does not compute what the classifier does.
        UnsafeModelError: `kerasfer.load` would refuse it; with the operation.
        ValueError: unknown formats, or samples of another shape or dtype.
    """
    out, samples = pathlib.Path(out), np.asarray(samples)
    unknown = set(formats) - set(FILES)
    if unknown or not formats:
        raise ValueError(
            f"`formats` must be some of {', '.join(FILES)}. Received: {formats}."
        )
    shape = tuple(description.image_shape)
    if not len(samples) or samples.shape[1:] != shape or samples.dtype != np.uint8:
        raise ValueError(
            f"Expected `samples` of uint8 (n, {', '.join(map(str, shape))}), n at "
            f"least 1. Received: {samples.dtype} {samples.shape}."
        )
    _check_outputs(classifier, description)
    with new_folder(out) as folder:
        written = [
            Written(
                form,
                write(form, classifier, description, folder),
                classifier,
                description,
                samples,
            )
            for form in dict.fromkeys(formats)
        ]
        for one in written:
            if one.form != "keras":  # which `check` loads as users do
                check_model(one.form, one.path)
        differences = check(written)
    return dict(zip(dict.fromkeys(formats), differences, strict=True))


def _check_outputs(classifier, description):
    probs = classifier.output["probs"]
    if probs.shape[-1] != len(description.names):
        raise ValueError(
            f"The classifier gives {probs.shape[-1]} probabilities for "
            f"{len(description.names)} names: {', '.join(description.names)}."
        )
    if tuple(classifier.input_shape[1:]) != tuple(description.image_shape):
        raise ValueError(
            f"The classifier takes images of {classifier.input_shape[1:]}; "
            f"`image_shape` is {description.image_shape}."
        )
