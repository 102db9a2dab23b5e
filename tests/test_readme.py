"""The pages' code runs as printed, but for the number of steps; links and names are
there."""

import pathlib
import re

import keras
import numpy as np
import pandas as pd
import pytest
from support.pytorch_files import save
from support.toys import dense_classifier, random_faces

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


GUIDES = [
    README.parent / f"docs/guides/{n}.md" for n in ("python", "export", "monitoring")
]
SHORTER = {
    "labels=560": "labels=12",
    "batch_size=64": "batch_size=4",
    "epochs=20": "epochs=2",
    "steps_per_epoch=60": "steps_per_epoch=2",
}


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A folder with all that the pages' code reads."""
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
    return backbone


def executed(*pages):
    """The names after the code of some pages, one after the other, with fewer steps."""
    names = {}
    for page in pages:
        blocks = re.findall(r"```python\n(.+?)```", page.read_text(), flags=re.DOTALL)
        code = "".join(blocks)
        for full, quick in SHORTER.items():
            code = code.replace(full, quick)
        exec(compile(code, page.name, "exec"), names)
    return names


def test_the_readme_is_a_front_page():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    known = {*dir(kerasfer.schemes), *dir(kerasfer.plug_ins)}
    _, _, methods = text.partition("## Methods")
    named = set(re.findall(r"`([A-Z]\w+)`", methods.partition("## Limits")[0]))
    assert named <= known and len(named) > 18


def test_every_link_of_the_pages_is_there():
    for page in [README, *README.parent.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_code_of_the_readme_runs(at_home):
    names = executed(README)
    again = keras.models.load_model("classifier.keras")
    assert again.output["probs"].shape[-1] == names["faces"].num_classes


def test_the_code_of_the_guides_runs(at_home):
    backbone, names = at_home, executed(*GUIDES)
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
    page = README.parent / "docs/measured/rendered.md"
    written = {_plain(line) for line in page.read_text().splitlines()}
    assert not [row for row in rows if row not in written]


def _plain(line):
    return re.sub(r" +", " ", line)


def test_every_file_the_pages_name_exists():
    pages = [README, *README.parent.glob("docs/**/*.md")]
    text = "".join(page.read_text() for page in pages)
    named = set(re.findall(r"(?:recipes|data_prep|tests)/[\w/]+\.py", text))
    assert len(named) > 20
    for name in named:
        assert (README.parent / name).exists(), name


def test_the_architecture_page_names_files_that_are_there():
    page = (README.parent / "docs/architecture.md").read_text()
    root = README.parent
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", page))
    assert len(named) > 12
    places = [(root / name, root / "kerasfer" / name) for name in named]
    assert not [p for p in places if not any(place.exists() for place in p)]
