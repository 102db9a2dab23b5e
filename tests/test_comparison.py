"""Runs side by side: the statistics by hand, and the program."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.recipe_runs import TINY, run, write_noise

from kerasfer.experiments.comparison import program
from kerasfer.experiments.comparison.runs import collected
from kerasfer.experiments.comparison.statistics import over_faces, over_seeds
from kerasfer.experiments.report.page import Section
from kerasfer.vision.images import cv2


def test_differences_over_seeds_by_hand():
    values = {
        "supervised": {0: 0.50, 1: 0.60, 2: 0.70, 3: 0.1},
        "fixmatch": {0: 0.52, 1: 0.63, 2: 0.74},
        "mixmatch": {2: 0.71},
        "other data": {9: 0.9},
    }
    table = over_seeds(values, "supervised").set_index("method")
    assert [*table.index] == ["fixmatch", "mixmatch"]
    row = table.loc["fixmatch"]  # differences 0.02, 0.03, 0.04
    assert row["pairs"] == 3 and row["difference"] == pytest.approx(0.03)
    assert row["se"] == pytest.approx(0.01 / 3**0.5)
    t = 0.03 / (0.01 / 3**0.5)
    assert row["t"] == pytest.approx(2 * stats.t.sf(t, 2))
    assert row["Wilcoxon"] == pytest.approx(2 / 2**3)  # all signs alike: 2 of 8 orders
    assert np.isnan(table.loc["mixmatch", ["se", "t", "Wilcoxon"]].astype(float)).all()


def test_equal_runs_have_no_test():
    table = over_seeds({"a": {0: 0.5, 1: 0.6}, "b": {0: 0.5, 1: 0.6}}, "a")
    assert table["difference"].item() == 0 and np.isnan(table["t"].item())
    # Equal but for rounding: 0.1 thrice.
    values = {"a": {0: 0.7, 1: 0.6, 2: 0.4}, "b": {0: 0.8, 1: 0.7, 2: 0.5}}
    assert np.isnan(over_seeds(values, "a")[["t", "Wilcoxon"]].to_numpy()).all()


def faces(text, start=0):
    return {f"{start + k}.png": mark == "+" for k, mark in enumerate(text)}


def test_differences_on_the_same_faces_by_hand():
    right = {
        "supervised": {0: faces("+++-----++"), 1: faces("++++++++++")},
        "fixmatch": {0: faces("-++++++-++"), 1: faces("++++++++--")},
    }
    row = over_faces(right, "supervised").iloc[0]
    # Seed 0: right where the other is not on 4 faces, the other way round on 1.
    assert (row["faces"], row["only it"], row["only the reference"]) == (10, 4, 1)
    # Of 5 faces 4 or more, or 1 or fewer: 2 (5 + 1) / 32.
    assert row["McNemar"] == pytest.approx(12 / 32)
    # Mean over seeds of +3 and -2 in 10.
    assert row["difference"] == pytest.approx((0.3 - 0.2) / 2)
    assert row["low"] < row["difference"] < row["high"]


def test_other_faces_are_no_pair():
    right = {
        "a": {0: faces("+-+"), 1: faces("+-+", start=9)},
        "b": {0: faces("++-", start=5), 1: faces("---", start=9)},
        "c": {0: faces("+-+")},
    }
    table = over_faces(right, "a").set_index("method")
    assert table.loc["b", "only the reference"] == 2 and table.loc["b", "faces"] == 3
    assert table.loc["c", "McNemar"] == 1 and table.loc["c", "difference"] == 0


# --- the program ---


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    code, output = run(
        "--manifest", write_noise(folder), "--protocol", "balanced:labels=12",
        "--image-size", 16, "--epochs", 2, "--steps-per-epoch", 2, "--seeds", 0, 1,
        "--beside", "supervised", "fixmatch", "hog",
        "--out", folder / "runs", *TINY, recipe="margin_mix",
    )  # fmt: skip
    assert code == 0, output
    (page,) = (folder / "runs").rglob("comparison.html")
    assert f"Methods side by side: {page}" in output
    return folder / "runs"


def test_the_methods_of_a_recipe(runs, tmp_path):
    code, output = run(runs, "--tables", "paper", recipe="compare", cwd=tmp_path)
    assert code == 0, output
    written = (tmp_path / "paper/paper_tables.tex").read_text()
    assert written.count(r"\toprule") == 2 and "mean class accuracy" in written
    assert len(pd.read_csv(tmp_path / "paper/paper_tables.csv")["method"].unique()) == 4
    assert "8 runs of 4 methods, held against supervised." in output
    assert "Difference to supervised in points, paired by seed" in output
    assert "p (McNemar)" in output and "below 5 seeds" in output
    page = (tmp_path / "comparison.html").read_text()
    for text in (
        "Training: mean over runs",
        "Confusion, summed",
        "Where they disagree",
    ):
        assert text in page
    results = [json.loads(p.read_text()) for p in runs.rglob("result.json")]
    scores = {
        method: [r["accuracy"] for r in results if r["method"] == method]
        for method in ("supervised", "fixmatch")
    }
    gap = 100 * (np.mean(scores["fixmatch"]) - np.mean(scores["supervised"]))
    assert f"{gap:+.1f}" in output


def test_runs_of_two_folders_and_another_reference(runs, tmp_path):
    (first,) = runs.glob("*/*/seed0/fixmatch")
    for name in ("one", "two"):
        shutil.copytree(first, tmp_path / name)
    flags = ("--reference", "fixmatch (two)", "--page", "None")
    code, output = run(tmp_path / "one", tmp_path / "two", *flags, recipe="compare")
    assert code == 0 and "2 methods, held against fixmatch (two)" in output, output
    assert "fixmatch (one)" in output and "Page" not in output


@pytest.mark.parametrize(
    ("folders", "flags", "error"),
    [
        (("none",), (), "holds no finished run"),
        (("one",), (), "Two methods at least are compared. Received: fixmatch."),
        (("one", "one"), (), "given twice"),
        (("all",), ("--reference", "mixmatch"), "--reference must be one of"),
    ],
)
def test_what_cannot_be_compared(runs, tmp_path, folders, flags, error):
    (one,) = runs.glob("*/*/seed0/fixmatch")
    places = {"none": tmp_path, "one": one, "all": runs}
    code, output = run(
        *(places[name] for name in folders), *flags, recipe="compare", cwd=tmp_path
    )
    assert code == 1 and error in output and "Traceback" not in output, output
    assert not (tmp_path / "comparison.html").exists()


def test_faces_of_files_are_shown_whatever_their_format(tmp_path):
    names = ["a.jpg", "b.png", "gone.png"]
    for name in names[:2]:
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 128, np.uint8))
    table = {"label": ["fear"] * 3, "one": ["fear"] * 3, "two": ["anger"] * 3}
    shown = pd.DataFrame(table, index=names)
    section = Section("x")
    program._show_faces(section, str(tmp_path / "faces.csv"), shown)
    (faces,) = [block["faces"] for block in section.blocks if "faces" in block]
    assert [face["lines"] for face in faces] == [
        ["is fear", "fear: one", "anger: two"]
    ] * 2
    assert all(f["source"].startswith("data:image/png;base64,") for f in faces)
    section = Section("x")
    program._show_faces(section, None, shown)
    assert not section.blocks


def test_a_study_has_its_own_names_for_methods(runs, tmp_path):
    plan = []
    for name, row in (("ours", "fixmatch"), ("plain", "supervised")):
        (source,) = runs.glob(f"*/*/seed0/{row}")
        shutil.copytree(source, tmp_path / f"baselines/x/seed0/{row}")
        run_of = {"seed": 0, "fold": "", "folder": f"baselines/x/seed0/{row}"}
        plan.append({"method": name, "runs": [run_of]})
    folder = tmp_path / "study/mine"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    compared = collected([folder])
    assert [one.method for one in compared] == ["ours", "plain"]
    assert compared[0].run.result["method"] == "fixmatch"
