"""Study files: what they ask for, and the papers' own."""

import pytest
import yaml
from support.recipe_runs import RECIPES, imported

from kerasfer.experiments.study import file as study_file
from kerasfer.experiments.study import published, toy

NAMES = sorted(path.stem for path in (RECIPES / "studies").glob("*.yaml"))

SMALL = """
title: small
recipe: baselines
seeds: [3, 4]
metrics: {accuracy: overall, mean_class_accuracy: mean class}
data: {faces: some faces, other: other faces}
flags: {epochs: 7, learning_rate: 0.5}
settings:
  few: {manifest: $faces, protocol: "balanced:labels=8"}
  many: {manifest: $faces, protocol: "balanced:labels=16", epochs: 9, test: [o=$other]}
methods:
  plain: {scheme: supervised, published: {few: 50±1.5 / 40}}
  fix: {recipe: ada_cm, row: fixmatch, beside: fixmatch, epochs: 11, settings: [many]}
"""


def written(folder, text=SMALL):
    (folder / "small.yaml").write_text(text)
    return study_file.read_study(folder / "small.yaml")


def cells_of(study, data=(("faces", "a.csv"), ("other", "b.csv")), **overrides):
    found = study.cells(dict(data), overrides, study.settings, study.methods)
    return {(cell.setting, cell.method): cell for cell in found}


def test_flags_of_the_file_the_setting_the_method_and_the_command_line(tmp_path):
    study = written(tmp_path)
    cells = cells_of(study)
    assert [*cells] == [("few", "plain"), ("many", "plain"), ("many", "fix")]
    epochs = [cell.config.training.epochs for cell in cells.values()]
    assert epochs == [7, 9, 11]  # of the file, of the setting, of the method
    assert cells["many", "fix"].row == "fixmatch"
    assert str(cells["few", "plain"].config.faces.manifest) == "a.csv"
    assert cells["many", "fix"].config.faces.test == ("o=b.csv",)
    won = cells_of(study, epochs=2, learning_rate=None)["many", "fix"].config.training
    assert (won.epochs, won.learning_rate) == (2, 5e-4)  # None takes a flag away
    assert study.needed(["few"]) == {"faces": "manifest"}
    assert study.needed(["many"]) == {"faces": "manifest", "other": "test"}


def test_floors_are_rows_of_their_own_behind_the_methods(tmp_path):
    study = written(tmp_path, SMALL + "floors: [hog, linear_probe]\n")
    assert study.methods == ("plain", "fix", "HOG + linear SVM", "linear probe")
    cells = cells_of(study)
    rows = [cells["many", name].row for name in study.methods]
    assert rows == ["supervised", "fixmatch", "hog", "linear_probe"]
    assert cells["few", "linear probe"].config.beside == ("linear_probe",)
    with pytest.raises(SystemExit, match="some of hog, linear_probe. Received: knn"):
        written(tmp_path, SMALL + "floors: [knn]\n")


def test_the_papers_studies_of_expressions_have_floors():
    without = set()
    for name in NAMES:
        study = study_file.read_study(name)
        if "HOG + linear SVM" not in study.methods:
            without.add(name)
    # Sweeps of one method, action units, rendered faces; the chain has no such rows.
    sweeps = {"ada_cm_figure3", "remop_figure3", "remop_figure4"}
    others = {"large_margin_table2", "rendered"}
    assert without == sweeps | others | {f"omni_table{i}" for i in range(1, 9)}


def test_equal_settings_share_a_folder_and_others_do_not(tmp_path):
    few, many, fix = cells_of(written(tmp_path)).values()
    again = cells_of(written(tmp_path), epochs=7)["few", "plain"]
    assert few.folder(tmp_path) == again.folder(tmp_path)
    assert len({cell.folder(tmp_path) for cell in (few, many, fix)}) == 3
    (seed, fold, config, folder), _ = few.runs(tmp_path, (3, 4))
    assert (seed, fold, config) == (3, "", few.config)
    assert folder == few.folder(tmp_path) / "seed3/supervised"


def test_published_numbers(tmp_path):
    study = written(tmp_path)
    assert study.published_values("few", "plain") == {
        "accuracy": (0.5, 0.015, "50 ± 1.5"),
        "mean_class_accuracy": (0.4, None, "40"),
    }
    assert study.published_values("many", "plain") == {}
    metrics = ("a", "b", "c")
    read = published.published_values("1.5+-.2/-/3", metrics, "here")
    assert read == {"a": (1.5, 0.2, "1.5 ± .2"), "c": (3.0, None, "3")}
    with pytest.raises(SystemExit, match="here: expected published numbers as in"):
        published.published_values("about 5", metrics, "here")
    with pytest.raises(SystemExit, match="numbers than metrics: 1/2/3/4"):
        published.published_values("1/2/3/4", metrics, "here")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("title: small", "titel: small", "Missing: title; unknown: titel"),
        ("recipe: baselines", "recipe: bases", "one of ada_cm, baselines, .*: bases"),
        ("row: fixmatch", "row: fix", "`row`, one of fixmatch, ada_cm. Received: fix"),
        ("row: fixmatch, ", "", "`row`, one of fixmatch, ada_cm. Received: None"),
        (
            "epochs: 7",
            "epoch: 7",
            "setting few, method plain: recipe baselines refuses",
        ),
        ("epochs: 7", "epochs: 0", "refuses these flags: {'epochs': 0"),
        ("epochs: 7", "seeds: 7", "seeds is the study's, no flag of a run"),
        ("50±1.5 / 40", "high", "expected published numbers"),
        ("{faces: some faces, ", "{", "expected `data` to say what faces is"),
        ("title: small", "title: {", "small.yaml: while parsing"),
    ],
)
def test_errors_of_a_study_file(tmp_path, old, new, error):
    assert SMALL.count(old) == 1
    with pytest.raises(SystemExit, match=error):
        study = written(tmp_path, SMALL.replace(old, new))
        study.needed(study.settings)
        cells_of(study)


def test_an_unknown_study_names_the_known_ones():
    with pytest.raises(SystemExit, match="no study remop_table9. .*remop_table3"):
        study_file.read_study("remop_table9")


@pytest.mark.parametrize("name", NAMES)
def test_every_study_file_is_accepted_by_its_recipes(name):
    study = study_file.read_study(name)
    needed = study.needed(study.settings)
    assert set(needed) == set(study.content.get("data", {}))
    paths = {data: f"{data}.csv" for data in needed}
    paths |= {d: f"{d}.pth" for d, flag in needed.items() if flag == "backbone_weights"}
    cells = []
    for setting in study.settings:
        if "folds" not in str(study.content["flags"].get("protocol")):
            cells += study.cells(paths, {}, [setting], study.methods)
    for cell in cells:
        # Nothing but where the data are differs from what the file says.
        differing = published.differences(
            [{"method": "", "settings": cell.settings, "printed": cell.printed}]
        )
        assert all("$" in line for line in differing), differing
    toys = study.cells(
        {}, toy.toy_flags(study) | {"manifest": "m.csv"}, study.settings, study.methods
    )
    assert {cell.config.faces.image_size for cell in toys} == {16}


def test_every_table_of_the_papers_has_a_study_file():
    tables = [f"ada_cm_table{n}" for n in range(1, 5)] + ["ada_cm_figure3"]
    tables += [f"remop_table{n}" for n in range(1, 6)]
    tables += ["remop_figure3", "remop_figure4"]
    tables += ["large_margin_table1", "large_margin_table2"]
    tables += [f"omni_table{n}" for n in range(1, 9)]
    assert set(tables) <= set(NAMES)
    for name in tables:
        if "figure" not in name:
            study = study_file.read_study(name)
            known = [study.published_values(s, m)
                     for m in study.methods for s in study.settings]  # fmt: skip
            assert sum(map(bool, known)) >= 1, name


def test_published_numbers_of_some_rows():
    def shares(name, setting, method):
        values = study_file.read_study(name).published_values(setting, method)
        return [pytest.approx(v) for row in values.values() for v in row[:2] if v]

    found = shares("remop_table3", "500, 150", "FixMatch + ReMoP")
    assert found == [0.8142, 0.0036, 0.6489, 0.0284]
    assert shares("ada_cm_table2", "SFEW, 400", "Ada-CM") == [0.5243, 0.0067]
    assert shares("ada_cm_table3", "1000 labels", "MarginMix") == [0.6647]
    assert shares("omni_table8", "VGG-F", "VAS") == [1625]
    au = study_file.read_study("large_margin_table2")
    values = au.published_values("EmotioNet", "AlexNet, supervised")
    assert "f1" not in values and values["f1_AU25"] == (
        pytest.approx(0.885),
        None,
        "88.5",
    )


def test_the_toy_config_is_made_of_flags_that_every_recipe_has():
    toy = yaml.safe_load((RECIPES / "toy.yaml").read_text())
    for name in ("margin_mix", "remop", "large_margin_au", "omni_supervised"):
        config = imported(name).RECIPE.config()
        groups = (config.faces, config.network, config.training, config.output)
        flags = {*vars(config)}.union(*map(vars, groups))
        assert set(toy) <= flags
