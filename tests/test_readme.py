"""The README's code runs as printed, but for the number of steps."""

import pathlib
import re

import keras
import numpy as np
import pandas as pd
from conftest import dense_classifier, random_faces
from pytorch_files import save

import kerasfer
from kerasfer.action_units import EMOTIONET
from kerasfer.data.synthetic import render
from kerasfer.deploy.export import Description
from kerasfer.deploy.export.formats import write
from kerasfer.experiments.study import file as study_file
from kerasfer.experiments.study import tables
from kerasfer.vision.images import EXPRESSIONS, cv2

OF_PHOTOS = Description("expressions", EXPRESSIONS, (48, 48, 3))
README = pathlib.Path(__file__).parent.parent / "README.md"


def as_pytorch(backbone):
    """Name -> array, as a PyTorch checkpoint of the backbone would have them."""
    arrays = {}
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = np.transpose(layer.kernel.numpy(), (3, 2, 0, 1))
            arrays[f"{layer.name}.weight"] = np.ascontiguousarray(kernel)
        elif isinstance(layer, keras.layers.BatchNormalization):
            names = ("weight", "bias", "running_mean", "running_var")
            for name, value in zip(names, layer.get_weights(), strict=True):
                arrays[f"{layer.name}.{name}"] = value
    return arrays


def test_quick_start(tmp_path, monkeypatch):
    faces = random_faces(150, side=48)
    (tmp_path / "faces").mkdir()
    lines = [",".join(["path", "label", *EMOTIONET])]
    for row, image in enumerate(faces.images):
        cv2.imwrite(str(tmp_path / f"faces/{row}.png"), image)
        label = ("anger", "fear", "neutral")[faces.labels[row]]
        lines.append(f"{row}.png,{label}" + ",0.5" * len(EMOTIONET))
    (tmp_path / "faces/manifest.csv").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    backbone = kerasfer.backbones.resnet18((32, 32, 3))
    save("resnet18_msceleb.pth", as_pytorch(backbone))
    cv2.imwrite("party.jpg", render(1, seed=0, size=224)[0][0][..., ::-1])
    write("saved_model", dense_classifier(8, 48), OF_PHOTOS, tmp_path)
    (tmp_path / "saved_model").rename("exported")
    blocks = re.findall(r"```python\n(.+?)```", README.read_text(), flags=re.DOTALL)
    code = "".join(blocks)
    for full, quick in (
        ("labels=560", "labels=12"),
        ("batch_size=64", "batch_size=4"),
        ("epochs=20", "epochs=2"),
        ("steps_per_epoch=60", "steps_per_epoch=2"),
    ):
        assert code.count(full) == 1
        code = code.replace(full, quick)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert "probs" in names["balanced"].classifier.output
    assert names["units"].targets.shape == (150, 12)
    loaded = names["backbone"].get_layer("conv1").kernel.numpy()
    np.testing.assert_array_equal(loaded, backbone.get_layer("conv1").kernel.numpy())
    assert len(names["found"]) == len(names["crops"])
    own = kerasfer.load("own_export")
    assert own.description.names == ("neutral", "anger", "fear")
    shipped = keras.models.load_model("classifier.keras")
    probs = shipped(np.zeros((1, 48, 48, 3), np.uint8))["probs"]
    np.testing.assert_allclose(np.sum(probs), 1, rtol=1e-5)


def test_the_table_of_results_is_made_by_the_study(tmp_path):
    """Of the numbers in docs/measured, by the code that `recipes/study.py` runs."""
    study = study_file.read_study("rendered")
    long = pd.read_csv(README.parent / "docs/measured/rendered_results.csv")
    long = long.astype({"fold": object}).fillna({"fold": ""})
    entries = [
        {"setting": setting, "method": method, "metrics": study.metrics_of(setting)}
        for setting in study.settings
        for method in study.methods
        if setting in study.settings_of(method)
    ]
    made = [
        _plain(x)
        for x in tables.write_tables(tmp_path, study, entries, long).splitlines()
    ]
    rows = [line for line in made if line.startswith("|") and "---" not in line]
    assert len(rows) > 20
    written = {_plain(line) for line in README.read_text().splitlines()}
    assert not [row for row in rows if row not in written]


def _plain(line):
    return re.sub(r" +", " ", line)


def test_every_file_the_readme_names_exists():
    named = re.findall(r"(?:recipes|data_prep|tests)/[\w/]+\.py", README.read_text())
    assert named
    for name in named:
        assert (README.parent / name).exists(), name


def test_the_architecture_page_names_files_that_are_there():
    page = (README.parent / "docs/architecture.md").read_text()
    root = README.parent
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", page))
    assert len(named) > 12
    places = [(root / name, root / "kerasfer" / name) for name in named]
    assert not [p for p in places if not any(place.exists() for place in p)]
