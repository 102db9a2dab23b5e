"""Schemes, plug-ins, backbones, losses and views from one file of a user's."""

import pathlib
import re

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from support.recipe_runs import imported, run
from support.toys import random_faces

import kerasfer
from kerasfer.experiments import own_parts
from kerasfer.experiments.by_name import short_names
from kerasfer.experiments.network import Network
from kerasfer.training import PlugIn, SemiSupervisedModel

PAGES = pathlib.Path(__file__).parent.parent / "docs/own"
TOY = ["--rendered-faces", 120, "--protocol", "balanced:labels=16", "--epochs", 1]
TOY += ["--no-report", "--batch-size", 4, "--image-size", 16, "--steps-per-epoch", 1]


def code_of(page):
    text = (PAGES / f"{page}.md").read_text()
    return "\n".join(re.findall(r"```python\n(.+?)```", text, flags=re.DOTALL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With mine.py, the code of all pages on parts of one's own."""
    place = tmp_path_factory.mktemp("own")
    code = "\n".join(code_of(page) for page in ("scheme", "plug_in", "backbone"))
    (place / "mine.py").write_text(code)
    return place


@pytest.fixture(scope="module")
def trained(folder):
    code, output = run(
        *TOY, "--scheme", "mine.py:Hinted", "--plugin", "mine.py:TopFraction",
        "--backbone", "mine.py:tiny", "--loss", "mine.py:poly1", "--strong",
        "mine.py:grainy", "--freeze", "conv2d", "--data-workers", 1,
        recipe="baselines", cwd=folder,
    )  # fmt: skip
    assert code == 0, output
    (result,) = folder.glob("runs/**/result.json")
    return result.parent


def test_the_page_on_data_runs():
    names = {}
    exec(compile(code_of("data"), "data.md", "exec"), names)
    assert names["faces"].counts() == {"anger": 20, "fear": 20, "happiness": 20}
    assert float(np.asarray(names["model"].steps_done)) == 2


def test_a_recipe_trains_with_them_and_keeps_the_file(folder, trained):
    assert trained.name == "Hinted+TopFraction"
    metrics = pd.read_csv(trained / "metrics.csv")
    assert {"consistency_loss", "logit_norm_loss"} <= {*metrics}
    assert (trained / "own_parts/mine.py").read_text() == (
        folder / "mine.py"
    ).read_text()
    own = yaml.safe_load((trained / "config.yaml").read_text())["own_parts"]
    assert {*own} == {
        f"mine.py:{name}"
        for name in ("Hinted", "TopFraction", "tiny", "poly1", "grainy")
    }


@pytest.mark.slow
def test_an_export_needs_no_file(folder, trained, tmp_path):
    words = (trained, tmp_path / "out")
    code, output = run(*words, recipe="export", cwd=tmp_path)
    assert code == 0, output
    assert len(kerasfer.load(tmp_path / "out").description.names) == 8


@pytest.mark.slow
def test_a_study_and_a_search_take_them(folder):
    study = {
        "title": "mine",
        "recipe": "baselines",
        "metrics": {"accuracy": "accuracy"},
        "settings": {"few": {"protocol": "balanced:labels=24"}},
        "methods": {
            "ours": {"scheme": ["mine.py:Hinted"], "loss": "mine.py:poly1"},
            "supervised": {"scheme": ["supervised"]},
        },
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(study))
    words = ("mine.yaml", "--toy", "--out", "studies")
    code, output = run(*words, recipe="study", cwd=folder)
    assert code == 0 and "| ours " in output, output
    (folder / "ranges.yaml").write_text("threshold: [0.5, 0.9]\n")
    words = ("--recipe", "baselines", "--ranges", "ranges.yaml", "--trials", 1)
    code, output = run(
        *words, "--out", "searches", "--", *TOY, "--scheme", "mine.py:Hinted",
        recipe="tune", cwd=folder,
    )  # fmt: skip
    assert code == 0 and "--scheme mine.py:Hinted" in output, output


def test_another_file_is_another_run(folder, trained):
    recipe, config_of = imported("baselines"), imported("baselines").Config
    file = folder / "mine.py"
    config = config_of(scheme=(f"{file}:Hinted", "fixmatch"))
    before = recipe.RECIPE.settings(config, "Hinted")["own_parts"]
    file.write_text(text := file.read_text() + "\n# changed\n")
    try:
        assert recipe.RECIPE.settings(config, "Hinted")["own_parts"] != before
        # Another row of the same table does not hang on it.
        assert "own_parts" not in recipe.RECIPE.settings(config, "fixmatch")
    finally:
        file.write_text(text.removesuffix("\n# changed\n"))


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("mine.py:Hinted", True),
        ("some/folder/mine.py:Hinted", True),
        ("package.module:Hinted", True),
        ("fixmatch", False),
        ("keras:EfficientNetB0", False),
        ("balanced:labels=24", False),
        ("ada_cm:400", False),
        (None, False),
    ],
)
def test_what_is_a_part_of_ones_own(text, own):
    assert own_parts.is_own(text) is own


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        (None, "X", "--scheme: no file .*mine.py. Expected path/to/file.py:NAME"),
        ("def there(): pass", "X", "has no X. Expected one of there"),
        ("import nowhere", "X", "line 1, raises ModuleNotFoundError: No module named"),
        ("x = 1\n1 / 0", "x", "line 2, raises ZeroDivisionError"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, name, error):
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    with pytest.raises(ValueError, match=error):
        own_parts.own_part(f"{tmp_path}/mine.py:{name}", "--scheme")


def test_a_module_is_found_by_name():
    found = own_parts.own_part("kerasfer.schemes:FixMatch", "--scheme")
    assert found is kerasfer.schemes.FixMatch
    with pytest.raises(ValueError, match="--loss: no module nowhere"):
        own_parts.own_part("nowhere:X", "--loss")


def test_a_scheme_must_be_one(folder):
    config = imported("baselines").Config
    message = "must be a class derived from kerasfer.training.SemiSupervisedModel"
    with pytest.raises(ValueError, match=message):
        imported("baselines").RECIPE.check(config(scheme=(f"{folder}/mine.py:tiny",)))
    with pytest.raises(ValueError, match="kerasfer.training.PlugIn"):
        config(scheme=("fixmatch",), plugin=(f"{folder}/mine.py:Hinted",))


def test_a_run_does_not_hang_on_how_a_path_is_written(folder, monkeypatch):
    recipe, monkey = imported("baselines"), monkeypatch
    monkey.chdir(folder)
    settings = [
        recipe.RECIPE.settings(
            recipe.Config(
                scheme=(f"{place}mine.py:Hinted",),
                network=Network(backbone=f"{place}mine.py:tiny"),
            ),
            "Hinted",
        )
        for place in ("", "./", f"{folder}/")
    ]
    assert settings[0] == settings[1] == settings[2]
    assert settings[0]["backbone"] == "mine.py:tiny"


def test_settings_are_those_of_before_where_nothing_new_is_asked_for():
    settings = imported("baselines").RECIPE.settings(imported("baselines").Config())
    later = {"freeze", "first_layer_rate", "resize_to", "weak", "strong", "sampler"}
    later |= {"loss", "head"}
    assert not later & {*settings} and settings["normalization"] == "per_plane"


def test_two_files_of_one_name_are_both_kept(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "mine.py").write_text(f"x = '{place}'")
    texts = [f"{tmp_path}/{place}/mine.py:x" for place in ("a", "b")]
    own_parts.keep_copies([*texts, *texts, "fixmatch"], tmp_path / "kept")
    kept = sorted((tmp_path / "kept").iterdir())
    assert {file.read_text() for file in kept} == {"x = 'a'", "x = 'b'"}


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--strong", "{}/mine.py:grainy", "--scheme", "supervised"], "reads a strong"),
        (["--loss", "class_balanced", "--sampler", "balanced"], "imbalance twice"),
        (["--backbone", "alexnet", "--image-size", 32], "needs --image-size 63"),
        (["--strong", "{}/nowhere.py:x"], "--strong: no file"),
    ],
)
def test_flags_without_effect_or_sense_are_refused(folder, tmp_path, flags, error):
    flags = [str(word).format(folder) for word in flags]
    code, output = run(*TOY, *flags, recipe="baselines", cwd=tmp_path)
    assert code == 1 and error in output, output
    assert "Traceback" not in output


def test_two_schemes_of_one_name_are_refused():
    assert short_names(["a.py:Own+abc", "fixmatch"]) == {
        "Own+abc": "a.py:Own+abc",
        "fixmatch": "fixmatch",
    }
    with pytest.raises(ValueError, match="two schemes are called Own: a.py:Own and b"):
        short_names(["a.py:Own", "b.py:Own"])
    with pytest.raises(ValueError, match="hog is a floor's name"):
        short_names(["a.py:hog"])


# --- mistakes in a scheme of one's own, each a sentence with the fix ------------------

CODE = """
import tensorflow as tf
from kerasfer.losses import batch_mean
from kerasfer.training import Pseudo, SemiSupervisedModel, Step

class Mine(SemiSupervisedModel):
    views = ("weak",)
    loss_weights = {"supervised": 1.0}

    def scheme_step(self, batch, labels):
        outputs = {"image": self.forward(batch["image"])}
        loss = batch_mean(self.supervised_loss(labels, outputs["image"]))
        losses, pseudo = {"supervised": loss}, None
        MISTAKE
        return Step(losses, labels, outputs, pseudo)
"""
MISTAKES = {
    'batch["strong"]': "Mine reads 'strong', which the batch does not have. Name it",
    "return loss": r"must return Step\(losses, labels, outputs\).* Received: .*Tensor",
    'losses["extra"] = loss': "Without a loss: none; without a weight: extra",
    "losses = {}": "Without a loss: supervised; without a weight: none",
    'losses = {"supervised": tf.zeros(4)}': "'supervised' must be one number",
    "outputs = {}": "must have those of the labelled view",
    "pseudo = Pseudo(tf.zeros(4, tf.int32), tf.zeros((4, 3)))": (
        r"mask of shape \(4, 3\), labels of shape \(4,\)"
    ),
    "pseudo = tf.zeros(4)": r"`pseudo` must be a Pseudo\(labels, mask\)",
}


@pytest.mark.parametrize(("mistake", "error"), MISTAKES.items(), ids=str)
def test_mistakes_are_sentences(tmp_path, mistake, error):
    file = tmp_path / "mine.py"
    file.write_text(CODE.replace("MISTAKE", mistake))
    scheme = own_parts.own_part(f"{file}:Mine", "--scheme")
    assert issubclass(scheme, SemiSupervisedModel) and not issubclass(scheme, PlugIn)
    faces = random_faces(12, side=16)
    classifier = kerasfer.build_classifier("compact", (16, 16, 3), 3)
    model = scheme(classifier, ema_decay=0)
    model.compile("sgd")
    data = kerasfer.data.training_dataset(faces, faces, model.all_views, 4)
    with pytest.raises(ValueError, match=error):
        model.fit(data, steps_per_epoch=1, verbose=0)


def test_the_frames_methods_stay_its_own():
    with pytest.raises(TypeError, match="Wrong overrides supervised_loss"):
        type("Wrong", (SemiSupervisedModel,), {"supervised_loss": None})


def test_saving_a_scheme_saves_what_is_shipped(tmp_path):
    classifier = kerasfer.build_classifier("compact", (16, 16, 3), 3)
    model = kerasfer.schemes.Supervised(classifier)
    model.save(tmp_path / "model.keras")
    images = np.zeros((2, 16, 16, 3), np.uint8)
    again = keras.models.load_model(tmp_path / "model.keras")(images)["probs"]
    np.testing.assert_allclose(again, model.inference_classifier(images)["probs"])
