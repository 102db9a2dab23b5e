"""From the folder of a finished run to an export with its card."""

import json
import pathlib

import numpy as np

from kerasfer.data.licences import licence_notes
from kerasfer.deploy.calibration import (
    expected_calibration_error,
    fitted_temperature,
    with_temperature,
)
from kerasfer.deploy.export import Description, export_classifier
from kerasfer.deploy.safe_loading import load_classifier
from kerasfer.experiments.model_card import model_card
from kerasfer.experiments.run_reader import read_run
from kerasfer.experiments.runs import environment
from kerasfer.safe_write import atomic_write
from kerasfer.vision.alignment import CROPS, Crop

CARD = "MODEL_CARD.md"
_RENDERED = (
    "Trained on rendered faces (kerasfer, Apache-2.0); no data of third parties."
)
_DLIB = (
    "Weights began as dlib_face_recognition_resnet_model_v1 (Davis King, CC0 1.0), "
    "trained on about 3 million faces of several data sets."
)


def export_run(config):
    """Writes the formats and the card; format -> difference from the trained model."""
    run = read_run(config.run)
    classifier = load_classifier(run.files.classifier)
    labels, probs = run.predictions(run.files.predictions_validation)
    temperature = (
        fitted_temperature(labels, probs, run.task) if config.calibrate else 1.0
    )
    description = Description(
        task=run.task,
        names=run.names,
        image_shape=tuple(classifier.input_shape[1:]),
        thresholds=tuple(run.result.get("thresholds", ())),
        temperature=round(temperature, 4),
        crop=_crop(config, run),
        precision=_precision(run),
        licences=_licences(config, run),
        run=run.config,
        versions={
            "training": _versions(run.env),
            "export": _versions(environment()),
        },
    )
    samples = np.load(run.files.samples)["images"]
    differences = export_classifier(
        classifier, config.out, description, samples, config.format
    )
    card = model_card(
        run, description, differences, _calibration(run, description), config.subgroups
    )
    with atomic_write(config.out / CARD) as temporary:
        temporary.write_text(card, encoding="utf8")
    return differences


def _crop(config, run):
    """Of the flag; else of what detect_and_align.py wrote beside the manifest."""
    manifest = run.config["manifest"]
    if config.crop is None and manifest is None:
        return CROPS["rendered"]
    if config.crop is None:
        beside = pathlib.Path(manifest).with_name("crop.json")
        return Crop(**json.loads(beside.read_text())) if beside.exists() else None
    return CROPS[config.crop]


def _precision(run):
    precision = run.config["mixed_precision"]
    return "float32" if precision == "off" else f"mixed_{precision}"


def _licences(config, run):
    """Of the flag, after those that importers store beside the manifests."""
    manifests = [run.config.get(name) for name in ("manifest", "unlabeled")]
    notes = licence_notes(*filter(None, manifests))
    if run.config.get("backbone") == "dlib_resnet" and run.config["backbone_weights"]:
        notes = (*notes, _DLIB)
    if config.licence or run.config["manifest"]:
        return (*notes, *config.licence)
    return (*notes, _RENDERED)


def _versions(env):
    names = ("kerasfer", "tensorflow", "keras", "numpy", "opencv", "python")
    return {name: env[name] for name in names}


def _calibration(run, description):
    """Part -> (ECE before, ECE after) the temperature."""
    errors = {}
    validation, test = run.files.predictions_validation, run.files.predictions_test
    for part, path in (("validation", validation), ("test", test)):
        labels, probs = run.predictions(path)
        after = with_temperature(probs, description.temperature, run.task).numpy()
        errors[part] = tuple(
            expected_calibration_error(labels, p, run.task) for p in (probs, after)
        )
    return errors
