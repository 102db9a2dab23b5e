"""Whether what was written computes what was trained."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing

import numpy as np

from kerasfer.vision.images import cv2, decode_image

_TOLERANCE, _REDUCED_TOLERANCE = 1e-5, 1e-2
_MINUTES = 15


class ParityError(ValueError):
    """An export that does not compute what the classifier does, or does not load."""


class Written(typing.NamedTuple):
    """An export to check."""

    form: str
    """A key of `kerasfer.deploy.export.FILES`."""
    path: pathlib.Path
    classifier: object
    """The Keras model it was made from."""
    description: object
    """Its `Description`."""
    samples: np.ndarray
    """Faces as the classifier takes them, uint8 (n, *image_shape), n at least 1."""


def check(exports):
    """Loads exports in a fresh process and compares them with their classifiers.

    SavedModel, ONNX and LiteRT are loaded with kerasfer hidden, as if it were not
    installed. Compared are the embeddings, the probabilities at the stored temperature
    (by NumPy in float64) and the decisions; of a SavedModel for all its signatures,
    with the samples as PNG and JPEG files too, and the names of classes. The tolerance
    is 1e-5, and 1e-2 for a classifier of mixed precision; relative to its size for an
    embedding above 1. A decision may differ where the probability is that near to its
    threshold, a label where it is that near to the largest.

    Args:
        exports: list of `Written`.

    Returns:
        the largest differences, a float for each.

    Raises:
        ParityError: one that is larger than the tolerance, or is not a number, or an
            export that does not load; with what it was.
    """
    with tempfile.TemporaryDirectory() as folder:
        jobs = [_job(pathlib.Path(folder), i, one) for i, one in enumerate(exports)]
        _run(jobs, pathlib.Path(folder) / "jobs.json")
        return [
            _difference(one, dict(np.load(job["outputs"])))
            for one, job in zip(exports, jobs, strict=True)
        ]


def encoded(images):
    """The images as files: PNG and JPEG in turn."""
    files = []
    for i, image in enumerate(images):
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[2] == 3 else image
        files.append(cv2.imencode((".png", ".jpg")[i % 2], bgr)[1].tobytes())
    return files


def _job(folder, number, one):
    inputs = {"images": one.samples}
    for i, file in enumerate(encoded(one.samples)):
        inputs[f"encoded_{i:05d}"] = np.frombuffer(file, np.uint8)
    path = folder / f"{number}_inputs.npz"
    np.savez(path, **inputs)
    return {
        "format": one.form,
        "path": str(one.path.resolve()),
        "inputs": str(path),
        "outputs": str(folder / f"{number}_outputs.npz"),
    }


def _run(jobs, path):
    path.write_text(json.dumps(jobs))
    program = pathlib.Path(__file__).with_name("fresh_process.py")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.run(
        [sys.executable, str(program), str(path)],
        capture_output=True,
        text=True,
        timeout=60 * _MINUTES,
        env=environment,
    )
    if process.returncode:
        raise ParityError(
            "The export does not load in a fresh process: "
            f"{process.stderr.strip()[-2000:]}"
        )


def _difference(one, found):
    """The largest difference over signatures and outputs."""
    largest = 0.0
    references = {"images": _reference(one, one.samples)}
    references |= dict.fromkeys(("embeddings", "fixed_size"), references["images"])
    decoded = [
        decode_image(file, "a sample", one.samples.shape[-1])
        for file in encoded(one.samples)
    ]
    references["serving_default"] = _reference(one, np.stack(decoded))
    for key, values in found.items():
        signature, _, name = key.partition("/")
        difference = _distance(one, name, values, references[signature])
        if not difference <= tolerance(one.description):
            raise ParityError(
                f"The {one.form} export differs from the trained classifier by "
                f"{difference:.3g} in `{name}` of `{signature}`; expected at most "
                f"{tolerance(one.description):g}. It was removed."
            )
        largest = max(largest, difference)
    return largest


def tolerance(description):
    """How far an export may lie from the trained classifier."""
    is_reduced = description.precision.startswith("mixed_")
    return _REDUCED_TOLERANCE if is_reduced else _TOLERANCE


def _distance(one, name, values, reference):
    if name in ("class_names", "au_names"):
        return 0.0 if (values == np.array(one.description.names)).all() else np.inf
    if name == "label":
        return _label_distance(one.description.names, values, reference["probs"])
    expected = reference[name]
    if values.shape != expected.shape:
        return np.inf
    if name == "decisions":
        unsure = np.abs(
            reference["uncalibrated"] - np.array(one.description.thresholds)
        )
        return float(np.max(unsure * (values != expected), initial=0.0))
    scale = np.maximum(1.0, np.abs(expected).max()) if name == "embedding" else 1.0
    return float(np.abs(values - expected).max() / scale)


def _label_distance(names, labels, probs):
    """How much less probable the named classes are than the most probable ones."""
    if not set(labels.tolist()) <= set(names):
        return np.inf
    chosen = [names.index(label) for label in labels.tolist()]
    return float(np.max(probs.max(-1) - probs[np.arange(len(probs)), chosen]))


def _reference(one, images):
    """What the classifier gives, calibrated by NumPy."""
    outputs = one.classifier(images.astype(np.float32), training=False)
    probs = np.asarray(outputs["probs"], np.float64)
    reference = {
        "embedding": np.asarray(outputs["embedding"], np.float64),
        "probs": _calibrated(probs, one.description),
        "uncalibrated": probs,
    }
    if one.description.thresholds:
        thresholds = np.array(one.description.thresholds, np.float32)
        reference["decisions"] = np.asarray(outputs["probs"]) >= thresholds
    return reference


def _calibrated(probs, description):
    if description.temperature == 1.0:
        return probs
    tiny = np.finfo(np.float32).tiny
    powers = np.maximum(probs, tiny) ** (1 / description.temperature)
    if description.task == "expressions":
        return powers / powers.sum(-1, keepdims=True)
    return powers / (
        powers + np.maximum(1 - probs, tiny) ** (1 / description.temperature)
    )
