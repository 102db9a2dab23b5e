"""Searches by Keras Tuner, at toy size."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras_tuner
import numpy as np
import pandas as pd
import pytest
from support.recipe_runs import RECIPES, imported, parsed, run

from kerasfer.experiments import flags
from kerasfer.experiments.tuning import report as tuning_report
from kerasfer.experiments.tuning import search, space
from kerasfer.vision.images import read_image

FLAGS = ["--rendered-faces", 120, "--protocol", "balanced:labels=16", "--epochs", 2]
FLAGS += ["--no-report"]
FLAGS += ["--batch-size", 4, "--image-size", 16, "--steps-per-epoch", 1]
RECIPE_NAMES = ["margin_mix", "ada_cm", "remop", "baselines", "large_margin"]
RECIPE_NAMES += ["large_margin_au", "omni_supervised"]


def tune(*arguments, recipe="remop", flags=(), **options):
    words = ("--recipe", recipe, *arguments, "--", *FLAGS, *flags)
    return run(*words, recipe="tune", **options)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    out = tmp_path_factory.mktemp("tune")
    space = ("--space", "beta", "learning_rate")
    code, output = tune("--trials", 2, *space, "--out", out)
    assert code == 0, output
    return out, next(out.glob("tune/*")), output


@pytest.mark.slow
def test_table_figure_and_the_command_that_trains_the_best(searched):
    _, folder, output = searched
    table = pd.read_csv(folder / "trials.csv")
    assert [*table] == ["trial", "status", "val_accuracy", "learning_rate", "beta"]
    assert len(table) == 2 and set(table["status"]) == {"completed"}
    for _, row in table.iterrows():
        run_folder = folder / f"run_{row['trial']:.0f}/seed0/fixmatch+remop"
        result = json.loads((run_folder / "result.json").read_text())
        np.testing.assert_allclose(row["val_accuracy"], result["val_accuracy"])
        config = (run_folder / "config.yaml").read_text()
        assert f"beta: {row['beta']}" in config
        metrics = pd.read_csv(run_folder / "metrics.csv")
        np.testing.assert_allclose(row["val_accuracy"], metrics["val_accuracy"].max())
    best = table.loc[table["val_accuracy"].idxmax()]
    (line,) = [x for x in output.splitlines() if x.startswith("  kerasfer train ")]
    command = line.split()
    assert command[:3] == ["kerasfer", "train", "remop"]
    assert command[command.index("--beta") + 1] == str(best["beta"])
    recipe = imported("remop")
    config = parsed(recipe, *command[3:])
    assert config.training.learning_rate == pytest.approx(best["learning_rate"])
    assert config.faces.rendered_faces == 120
    assert read_image(folder / "space.png").std() > 5


def test_the_help_has_names_and_ranges():
    code, output = run("--recipe", "remop", "--help", recipe="tune")
    assert code == 0, output
    lines = output.split("--space of remop:\n")[1].splitlines()
    found = dict(line.split(maxsplit=1) for line in lines if line.strip())
    assert found["beta"] == "one of 0.1, 0.3, 0.5, 0.7, 0.9"
    assert found["learning_rate"] == "1e-05 to 0.005, log scale"
    assert {"center_weight", "simplex_weight", "unlabeled_weight"} <= {*found}


@pytest.mark.slow
def test_ranges_of_ones_own_and_a_surface(tmp_path):
    (tmp_path / "ranges.yaml").write_text(
        "momentum: {low: 0.9, high: 0.99}\nlearning_rate: {low: 1e-4, high: 1e-2, "
        "log: true}\n"
    )
    code, output = tune(
        "--trials", 3, "--ranges", tmp_path / "ranges.yaml", "--out", tmp_path / "out",
        recipe="baselines",
        flags=["--scheme", "softmatch", "--protocol", "imbalanced:n1=8,gamma=2"],
    )  # fmt: skip
    assert code == 0, output
    (path,) = tmp_path.rglob("trials.csv")
    table = pd.read_csv(path)
    # Overall accuracy would reward the frequent classes.
    assert [*table][2:] == ["val_mean_class_accuracy", "momentum", "learning_rate"]
    assert table["momentum"].between(0.9, 0.99).all()
    assert table["learning_rate"].between(1e-4, 1e-2).all()
    assert read_image(path.parent / "surface.png").std() > 5


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("momentum: {low: 1, high: 0}", "momentum: expected"),
        ("momentum: {low: 0, high: 1, log: true}", "momentum: expected"),
        ("momentum: 3", "momentum: expected"),
        ("momentum: {low: x, high: 1}", "momentum: expected"),
        ("- 3", "expected `name: range` lines"),
        ("a: [1", "while parsing"),
    ],
)
def test_ranges_that_are_none(tmp_path, text, error):
    path = tmp_path / "ranges.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=error):
        space.read_ranges(path)


@pytest.mark.parametrize(
    ("ranges", "error"),
    [
        ("nothing: [1]", "no field is called nothing"),
        ("unlabeled_ratio: [0.5, 1]", "expected whole numbers"),
        ("threshold: [0.5, x]", "could not convert string"),
        ("threshold: [null, 0.5]", "NoneType"),
        ("learning_rate: {low: -1, high: 1}", "expected more than 0"),
    ],
)
def test_each_value_is_tried_before_the_search(tmp_path, ranges, error):
    path = tmp_path / "ranges.yaml"
    path.write_text(ranges)
    config = imported("baselines").Config()
    with pytest.raises(ValueError, match=error):
        space.as_fields(path, space.read_ranges(path), config)


def test_values_have_the_type_of_their_field(tmp_path):
    path = tmp_path / "ranges.yaml"
    path.write_text(
        "learning_rate: [1e-4, 1e-3]\nunlabeled_ratio: {low: 1, high: 4}\n"
        "threshold: [1, 0.5]\n"
    )
    config = imported("baselines").Config()
    found = space.as_fields(path, space.read_ranges(path), config)
    assert found["learning_rate"] == [1e-4, 1e-3]
    assert found["unlabeled_ratio"] == {"low": 1, "high": 4, "log": False}
    assert isinstance(found["unlabeled_ratio"]["low"], int)
    assert found["threshold"] == [1.0, 0.5]


@pytest.mark.slow
def test_the_test_part_is_not_read(searched):
    _, folder, _ = searched
    assert not list(folder.rglob("predictions_test.csv"))
    for path in folder.rglob("result.json"):
        assert not {"accuracy", "mean_class_accuracy"} & set(
            json.loads(path.read_text())
        )


@pytest.mark.slow
def test_a_search_goes_on_and_refuses_other_flags(searched):
    out, folder, _ = searched
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("result.json")}
    space = ("--space", "beta", "learning_rate")
    code, output = tune("--trials", 3, *space, "--out", out)
    assert code == 0 and output.count("Trial 2:") == 2 and "Trial 1:" not in output
    assert len(pd.read_csv(folder / "trials.csv")) == 3
    assert (
        before.items()
        <= {p: p.stat().st_mtime_ns for p in folder.rglob("result.json")}.items()
    )
    code, output = tune("--trials", 3, "--out", out, flags=["--threshold", 0.5])
    assert code == 1 and "holds a search with other flags: space, threshold." in output


@pytest.mark.parametrize(
    ("arguments", "flags", "error"),
    [
        (["--recipe", "remop2"], [], "--recipe: expected a recipe, one of ada_cm"),
        (["--objective", "val_acuracy"], [], "--monitor"),
        (["--space", "gamma"], [], "--space: expected some of learning_rate, beta"),
        (["--method", "mixmatch"], [], "--method: expected one of fixmatch, fixmatch+"),
        (["--trials", 0], [], "--trials: expected at least 1"),
        ([], ["--out", "runs"], "--out stands before `--`"),
        (["--ranges", "nowhere.yaml"], [], "--ranges nowhere.yaml: [Errno 2]"),
    ],
)
def test_errors_stop_the_search(tmp_path, arguments, flags, error):
    code, output = tune(*arguments, "--out", tmp_path, flags=flags)
    assert code != 0 and error in output, output
    assert "Traceback" not in output and "Train with them" not in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "flags", "error"),
    [
        (["--objective", "val_f1_small"], [], "`monitor` must be one of"),
        ([], ["--protocol", "balanced:labels=999"], "fewer than the"),
    ],
)
def test_failing_trials_stop_the_search(tmp_path, arguments, flags, error):
    code, output = tune(*arguments, "--out", tmp_path, flags=flags)
    assert code == 1 and "The search ended at a failing trial: " in output
    assert error in output and "Train with them" not in output


@pytest.mark.slow
def test_trials_that_all_diverge_are_an_error(tmp_path):
    flags = ["--learning-rate", 1e30]
    code, output = tune("--space", "beta", "--out", tmp_path, flags=flags)
    assert code == 1 and output.count(" diverged: The loss is") == 3
    assert "The search ended at a failing trial" in output


def test_a_package_that_is_missing(tmp_path):
    (tmp_path / "keras_tuner.py").write_text("raise ImportError('no tensorboard')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
    process = subprocess.run(
        [sys.executable, RECIPES / "tune.py", "--recipe", "remop"],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    output = process.stdout + process.stderr
    assert process.returncode == 1 and "missing: no tensorboard" in output


@pytest.mark.parametrize("name", RECIPE_NAMES)
def test_every_recipe_has_a_space_within_what_its_flags_allow(name):
    recipe = imported(name).RECIPE
    base = recipe.config()
    hp = keras_tuner.HyperParameters()
    recipe.search_space(hp, base)
    assert len(hp.space) >= 3
    assert "learning_rate" in [dimension.name for dimension in hp.space]
    for dimension in hp.space:
        ends = getattr(dimension, "values", None) or (
            dimension.min_value,
            dimension.max_value,
        )
        for value in ends:
            hp.values[dimension.name] = value
            asked = recipe.search_space(hp, base)
            config = flags.with_values(base, asked)
            settings = recipe.settings(config)
            assert {n: settings[n] for n in asked} == asked


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "grid"])
def test_algorithms(monkeypatch, tmp_path, algorithm):
    """A search of beta whose trials train nothing: 0.5 is the best."""
    recipe = imported("remop").RECIPE
    config = imported("tune").Config(
        recipe="remop", trials=5, algorithm=algorithm, space=("beta",), out=tmp_path
    )
    tuned = search.Search(config, recipe, recipe.config())

    def score(hp, trial_id):
        return 1 - abs(hp.get("beta") - 0.5)

    monkeypatch.setattr(tuned, "score", score)
    tuner = tuned.run()
    best = tuning_report.report(tuned, tuner)
    tried = pd.read_csv(tuned.folder / "trials.csv")
    assert set(tried["beta"]) <= {0.1, 0.3, 0.5, 0.7, 0.9}
    if algorithm == "grid":
        assert tried["beta"].is_unique and len(tried) == 5
    closest = min(tried["beta"], key=lambda beta: abs(beta - 0.5))
    assert best.get("beta") == pytest.approx(closest)
    assert tuned.flags(best) == ["--beta", str(closest)]


def test_a_value_without_a_field_is_refused():
    config = imported("remop").Config()
    changed = flags.with_values(config, {"beta": 0.25, "epochs": 3})
    assert (changed.remop.beta, changed.training.epochs) == (0.25, 3)
    with pytest.raises(ValueError, match="No field is called lambda"):
        flags.with_values(config, {"lambda": 1})


def _start(arguments, **environment):
    return subprocess.Popen(
        [sys.executable, RECIPES / "tune.py", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_trial_it_was_in(tmp_path):
    words = ["--recipe", "remop", "--trials", 3, "--out", tmp_path, "--", *FLAGS]
    process = _start(words)
    deadline = time.monotonic() + 300
    while not list(tmp_path.rglob("run_1/seed0/*/config.yaml")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (folder,) = tmp_path.glob("tune/*")
    first = (folder / "run_0/seed0/fixmatch+remop/result.json").stat().st_mtime_ns
    code, output = run(*words, recipe="tune")
    assert code == 0, output
    table = pd.read_csv(folder / "trials.csv")
    assert [*table["trial"]] == [0, 1, 2] and set(table["status"]) == {"completed"}
    assert (
        first == (folder / "run_0/seed0/fixmatch+remop/result.json").stat().st_mtime_ns
    )


@pytest.mark.slow
def test_a_chief_and_two_workers_share_a_search(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    oracle = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
    words = ["--recipe", "remop", "--trials", 4, "--out", tmp_path, "--", *FLAGS]
    processes = {
        name: _start(words, KERASTUNER_TUNER_ID=name, **oracle)
        for name in ("chief", "tuner0", "tuner1")
    }
    outputs = {n: p.communicate(timeout=600)[0] for n, p in processes.items()}
    assert {p.returncode for p in processes.values()} == {0}, outputs
    assert "Train with them" in outputs["chief"]
    assert "Train with them" not in outputs["tuner0"] + outputs["tuner1"]
    (folder,) = tmp_path.glob("tune/*")
    table = pd.read_csv(folder / "trials.csv")
    assert len(table) == 4 and set(table["status"]) == {"completed"}


def test_help_lists_ranges_without_tensorflow():
    code = f"""
import runpy, sys
sys.argv = ["tune.py", "--help"]
try:
    runpy.run_path({str(RECIPES / "tune.py")!r}, run_name="__main__")
except SystemExit:
    pass
assert not {{"tensorflow", "keras_tuner"}} & {{*sys.modules}}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "beta              one of 0.1, 0.3" in done.stdout
    assert "learning_rate     1e-05 to 0.005, log scale" in done.stdout
