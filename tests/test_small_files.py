"""Small files of runs that are damaged, hostile, or full of strange names."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from support.checkpoint_runs import RUN, left_after, model_of
from support.recipe_runs import run

from kerasfer.callbacks import SaveWeights
from kerasfer.callbacks.checkpoint import Checkpoint
from kerasfer.experiments.facts import facts_if_whole, read_facts, read_settings
from kerasfer.experiments.model_card import _markdown, _plain
from kerasfer.experiments.plots import at_worst_a_warning
from kerasfer.experiments.report.page import Section
from kerasfer.experiments.yaml_text import read_yaml
from kerasfer.vision.images import cv2

BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 20)
)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\0" * 9, "[" * 100_000])
def test_damaged_facts_are_named(tmp_path, text, capsys):
    path = tmp_path / "result.json"
    path.write_text(text)
    says = rf"result.json is damaged \({len(text)} bytes\).*to make the run again"
    with pytest.raises(ValueError, match=says):
        read_facts(path)
    assert facts_if_whole(path) == {}
    assert "result.json is damaged" in capsys.readouterr().out
    assert facts_if_whole(tmp_path / "none.json") == {}
    assert not capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "- 1", "a: [", BOMB, "!!python/object:os.x {}"])
def test_damaged_settings_are_named(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"config.yaml is damaged"):
        read_settings(tmp_path / "config.yaml")


def test_aliases_are_taken_and_counted():
    assert read_yaml("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}")["d"] == {"b": 1, "e": 2}
    many = "\n".join(f"a{k}: *x" for k in range(900))
    assert len(read_yaml(f"x: &x 1\n{many}")) == 901
    twice = "a0: &a0 [x]\n" + "".join(
        f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]\n" for k in range(1, 50)
    )
    for bomb in (BOMB, twice, "a: &a [*a]"):
        with pytest.raises(yaml.YAMLError, match="more than 100000 values"):
            read_yaml(bomb)


def test_a_checkpoint_sets_no_path(tmp_path):
    left_after(tmp_path, 1)
    place = tmp_path / "checkpoints/epoch-000001"
    about = json.loads((place / "checkpoint.json").read_text())
    about["remembered"] = [{"best": 0.5, "path": "/tmp/never", "new": 1}]
    (place / "checkpoint.json").write_text(json.dumps(about))
    best = SaveWeights(tmp_path / "best.weights.h5", "val_accuracy")
    checkpoint = Checkpoint(tmp_path / "checkpoints", RUN, [best])
    checkpoint.resume(model_of())
    checkpoint.set_model(model_of())
    checkpoint.on_train_begin()
    assert best.path == tmp_path / "best.weights.h5" and best.best == 0.5
    assert best.new == 1  # what a callback makes of itself later is kept


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>", "&lt;script&gt;"),
        ("a|b", "a\\|b"),
        ("[x](http://y)", "\\[x\\](http://y)"),
        ("two\nlines # and $5$", "two lines \\# and \\$5\\$"),
    ],
)
def test_names_are_no_markup_in_a_card(name, shown):
    assert _plain(name) == shown
    table = _markdown(pd.DataFrame({"class": [name], "faces": [3]}))
    assert shown in table and len(table.splitlines()) == 3


def test_a_report_embeds_images_alone(tmp_path):
    (tmp_path / "passwd").write_text("root:x:0:0")
    with pytest.raises(ValueError, match="passwd is no PNG"):
        Section("Faces").faces("all", [tmp_path / "passwd"], [["a"]])


def test_a_figure_that_fails_is_a_warning(capsys):
    with at_worst_a_warning("the image"):
        raise RuntimeError("no glyph")
    assert "warning: the image could not be made: RuntimeError: no glyph" in (
        capsys.readouterr().out
    )


NAMES = ("$5$", "<b>bold</b>", "=1+1|x", "\\frac{")


@pytest.mark.slow
def test_names_that_are_code_elsewhere_train_and_are_reported(tmp_path):
    rows, pixels = [], np.random.default_rng(0)
    for k in range(80):
        path = tmp_path / f"{k}.png"
        cv2.imwrite(str(path), pixels.integers(0, 256, (16, 16, 3), np.uint8))
        rows.append((path.name, NAMES[k % 4]))
    pd.DataFrame(rows, columns=["path", "label"]).to_csv(
        tmp_path / "m.csv", index=False
    )
    code, output = run(
        "--manifest", tmp_path / "m.csv", "--protocol", "balanced:labels=16",
        "--image-size", 16, "--epochs", 1, "--steps-per-epoch", 2, "--seeds", 0,
        "--scheme", "supervised", "--out", tmp_path / "runs", recipe="baselines",
    )  # fmt: skip
    assert code == 0 and "could not be made" not in output, output
    (page,) = (tmp_path / "runs").rglob("report.html")
    text = page.read_text()
    assert "&lt;b&gt;bold&lt;/b&gt;" in text and "<b>bold" not in text
    code, output = run(
        page.parent, tmp_path / "exported", "--format", "keras", recipe="export"
    )
    assert code == 0, output
    assert "=1+1\\|x" in (tmp_path / "exported/MODEL_CARD.md").read_text()
    # An empty result costs its run alone; the study's table is made without it.
    (result,) = (tmp_path / "runs").rglob("result.json")
    result.write_text("")
    code, output = run(page.parent, recipe="report")
    assert code == 0 and "result.json is damaged" in output, output
