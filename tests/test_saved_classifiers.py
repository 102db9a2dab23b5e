"""`import keras, kerasfer`, then `load_model`: in a process that knows nothing else."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasfer import build_classifier
from kerasfer.plug_ins import ABC, ReMoP
from kerasfer.schemes import CPE, MEK, RUL, FixMatch, ReMixMatch, Supervised

COUNTS = (4, 5, 3)
FACES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
LOAD = """
import keras, kerasfer
import json, sys
import numpy as np
faces = np.load(sys.argv[1])
print(json.dumps([
    np.asarray(keras.models.load_model(path)(faces)["probs"]).tolist()
    for path in sys.argv[2:]
]))
"""


def classifier(backbone="compact", **options):
    return build_classifier(backbone, (32, 32, 3), 3, **options)


SAVED = {
    "unit_embedding": lambda: classifier(unit_embedding=True, dropout=0.5),
    "imagenet": lambda: classifier(normalization="imagenet"),
    "vgg_face": lambda: classifier(normalization="vgg_face"),
    "synchronized": lambda: classifier(synchronized_batch_norm=True),
    "penalty": lambda: classifier(weight_penalty=keras.regularizers.L2(1e-4)),
    "resnet18": lambda: classifier("resnet18"),
    "supervised": lambda: Supervised(classifier()),
    "remop": lambda: FixMatch(classifier(), plug_ins=(ReMoP(3),)),
    "remop_paper": lambda: FixMatch(
        classifier(), plug_ins=(ReMoP(3, convention="paper"),)
    ),
    "remop_abc": lambda: FixMatch(classifier(), plug_ins=(ReMoP(3), ABC(COUNTS))),
    "cpe": lambda: CPE(classifier(), COUNTS),
    "rul": lambda: RUL(classifier()),
    "mek": lambda: MEK(classifier(), COUNTS),
    "remixmatch": lambda: ReMixMatch(classifier()),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Name -> (what the classifier predicted, what the loaded one predicts)."""
    folder = tmp_path_factory.mktemp("saved")
    np.save(folder / "faces.npy", FACES)
    expected, paths = [], []
    for name, build in SAVED.items():
        model = build()
        model = getattr(model, "inference_classifier", model)
        paths.append(str(folder / f"{name}.keras"))
        model.save(paths[-1])
        expected.append(np.asarray(model(FACES)["probs"]))
    command = [sys.executable, "-c", LOAD, str(folder / "faces.npy"), *paths]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    assert output.returncode == 0, output.stderr[-2000:]
    found = json.loads(output.stdout.splitlines()[-1])
    return dict(zip(SAVED, zip(expected, found, strict=True), strict=True))


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_classifier_loads(loaded, name):
    expected, found = loaded[name]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
