"""Studies, run as a user runs them, at toy size."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support.html_page import Page
from support.recipe_runs import RECIPES, TINY, run, write_noise
from support.rotation import of_this_commit

from kerasfer.experiments.study import file as study_file
from kerasfer.experiments.study import jobs, paper_table, plan, tables, toy

STUDY = """
title: two methods
source: nobody's paper
recipe: baselines
seeds: [0, 1]
metrics: {accuracy: overall, mean_class_accuracy: mean class}
data: {faces: some faces}
flags:
  manifest: $faces
  epochs: 3
  steps_per_epoch: 2
  batch_size: 4
  image_size: 16
  dropout: 0.0
  backbone: TINY_BACKBONE
  last_epochs: 2
  selections: [last, mean_last, best_test]
settings:
  few labels: {protocol: "balanced:labels=12"}
methods:
  plain: {scheme: supervised, published: {few labels: 80.5±1.5 / 70}}
  FixMatch: {scheme: fixmatch}
differs: ["the faces are noise"]
""".replace("TINY_BACKBONE", TINY[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_noise(folder)
    (folder / "noise.yaml").write_text(STUDY)
    return folder


def study(folder, *arguments, out="runs", file="noise.yaml"):
    data = ("--data", f"faces={folder / 'manifest.csv'}")
    options = (*data, "--out", folder / out, *arguments)
    return run(folder / file, *options, recipe="study")


@pytest.fixture(scope="module")
def finished(folder):
    code, output = study(folder, "--jobs", 2)
    assert code == 0, output
    return folder / "runs/study/noise", output


def test_every_number_once_and_true(folder, finished):
    long = pd.read_csv(finished[0] / "results.csv")
    # 2 methods, 2 seeds, 4 rules, 2 scores; a number an epoch is none of them.
    scores = long[long["metric"].isin(["accuracy", "mean_class_accuracy"])]
    assert len(scores) == 2 * 2 * 4 * 2
    assert not long.duplicated([*long.columns[:-1]]).any()
    for entry in json.loads((finished[0] / "plan.json").read_text()):
        for ran in entry["runs"]:
            run_folder = folder / "runs" / ran["folder"]
            result = json.loads((run_folder / "result.json").read_text())
            by_epoch = pd.read_csv(run_folder / "test_by_epoch.csv")
            values = by_epoch["accuracy"].to_numpy()
            best = int(values.argmax())
            own = long[
                (long["method"] == entry["method"]) & (long["seed"] == ran["seed"])
            ].pivot(index="selection", columns="metric", values="value")
            expected = {
                "best_validation": values[result["epoch"] - 1],
                "last": values[-1],
                "mean_last": values[-2:].mean(),
                "best_test": values[best],
            }
            for rule, value in expected.items():
                np.testing.assert_allclose(own.loc[rule, "accuracy"], value, atol=1e-6)
            # The other score is that of the same epoch, not its own best.
            other = by_epoch["mean_class_accuracy"][best]
            found = own.loc["best_test", "mean_class_accuracy"]
            np.testing.assert_allclose(found, other, atol=1e-6)


def test_tables(finished):
    folder, output = finished
    long = pd.read_csv(folder / "results.csv")
    chosen = long[
        (long["selection"] == "best_validation") & (long["method"] == "plain")
    ]
    values = chosen.loc[chosen["metric"] == "accuracy", "value"]
    cell = f"{100 * values.mean():.1f} ± {100 * values.std():.1f}"
    markdown = (folder / "tables.md").read_text()
    assert markdown in output and "## few labels: mean class, %" in markdown
    assert re.search(rf"\| plain +\| 2 +\| {cell} ", markdown)
    assert markdown.index("| largest class") < markdown.index("| plain")
    for title in (
        "best on test (optimistic)",
        "optimism",
        "difference to plain, paired",
    ):
        assert title in markdown
    latex = (folder / "tables.tex").read_text()
    assert r"$\pm$" in latex and r"\toprule" in latex and "±" not in latex
    assert latex.count(r"\begin{tabular}") == 2
    summary = pd.read_csv(folder / "summary.csv")
    assert {"mean", "std", "se"} <= set(summary)
    pairs = pd.read_csv(folder / "paired.csv")
    assert set(pairs["method"]) == {"FixMatch"} and set(pairs["pairs"]) == {2}


@pytest.mark.slow
def test_report(finished, tmp_path):
    folder, _ = finished
    text = (folder / "report.html").read_text()
    page = Page(text)
    assert page.open == [] and len(page.ids) == len(set(page.ids))
    for title in ("Summary", "Confusion, summed over runs", "Runs", "How it was made"):
        assert title in page.text
    assert "4 of 4" in page.text  # runs
    runs = [s for s in page.sources if not s.startswith(("#", "data:"))]
    assert len(runs) == 4
    for path in runs:
        assert (folder / path).exists()
    # The tables' numbers.
    lines = (folder / "tables.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| FixMatch")]
    assert rows
    for row in rows:
        assert row[3].strip() in page.text
    code, output = run(folder, "--out", tmp_path / "again.html", recipe="report")
    assert code == 0, output
    again = Page((tmp_path / "again.html").read_text())
    assert "4 of 4" in again.text and "Differs from the published" in again.text


def test_finished_runs_are_skipped_and_later_seeds_join_the_table(folder, finished):
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("result.json")}
    assert len(before) == 4
    code, output = study(folder)
    assert code == 0 and "4 runs, 0 of them to be made" in output
    code, output = study(folder, "--seeds", 2, "--methods", "plain")
    assert code == 0 and "1 runs, 1 of them to be made" in output
    after = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("result.json")}
    assert len(after) == 5 and before.items() <= after.items()
    long = pd.read_csv(finished[0] / "results.csv")
    seeds = long.groupby("method")["seed"].unique()
    assert [*seeds["plain"]] == [0, 1, 2] and [*seeds["FixMatch"]] == [0, 1]
    code, _ = study(folder, "--seeds", 0, "--", "--epochs", 2, "--selections", "last")
    assert code == 0  # other settings: the table shows these, the old runs stay
    long = pd.read_csv(finished[0] / "results.csv")
    assert set(long["selection"]) == {"best_validation", "last"}
    assert (
        before.items()
        <= {
            p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("result.json")
        }.items()
    )
    study(folder, "--seeds", 0, 1)  # as the other tests expect it


@pytest.mark.slow
def test_one_that_fails_takes_no_other_along_and_is_tried_again(folder):
    text = STUDY.replace("seeds: [0, 1]", "seeds: [0]").replace(
        "settings:\n", 'settings:\n  too many: {protocol: "balanced:labels=9999"}\n'
    )
    (folder / "failing.yaml").write_text(text)
    options = {"out": "failing", "file": "failing.yaml"}
    for number in (4, 2):  # of them to be made, in the first and the second call
        code, output = study(folder, "--jobs", 2, **options)
        assert code == 1 and f"{number} of them to be made" in output
        assert "error: 2 runs failed; the same command tries them again" in output
        assert "fewer than the 3333 labels" in output and "Traceback" not in output
        long = pd.read_csv(folder / "failing/study/failing/results.csv")
        assert set(long["setting"]) == {"few labels"}
        assert set(long["method"]) == {"plain", "FixMatch"}


@pytest.mark.slow
def test_two_commands_at_a_time_make_each_run_once(folder):
    command = [sys.executable, RECIPES / "study.py", folder / "noise.yaml", "--data"]
    command += [f"faces={folder / 'manifest.csv'}", "--out", folder / "both"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [subprocess.Popen(list(map(str, command)), **options) for _ in range(2)]
    for process in both:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
    assert len([*(folder / "both").rglob("env.json")]) == 4
    assert not [*(folder / "both").rglob("*unfinished*")]
    long = pd.read_csv(folder / "both/study/noise/results.csv")
    assert not long.duplicated([*long.columns[:-1]]).any()
    assert len(long[long["metric"] == "accuracy"]) == 2 * 2 * 4


def test_ours_beside_the_published_numbers(folder, finished):
    options = (folder / "noise.yaml", "--runs", folder / "runs")
    code, output = run(*options, recipe="table")
    assert code == 0, output
    table = pd.read_csv(finished[0] / "paper_table.csv").fillna("-")
    row = table[(table["method"] == "plain") & (table["metric"] == "overall")].iloc[0]
    assert row["published"] == "80.5 ± 1.5"
    ours = float(row["ours"].split(" ")[0])
    np.testing.assert_allclose(float(row["less published"]), ours - 80.5, atol=0.11)
    assert "optimistic" in [*table][5]
    other = table[table["method"] == "FixMatch"].iloc[0]
    assert (other["published"], other["less published"]) == ("-", "-")
    assert "* the faces are noise" in output
    assert f"* manifest: {folder / 'manifest.csv'} here, $faces in" in output
    assert "epochs:" not in output and "seeds:" not in output  # nothing differs there
    code, output = run("noise", "--runs", folder, recipe="table")
    assert code == 1 and "no study noise. Expected" in output
    code, output = run(folder / "noise.yaml", "--runs", folder / "no", recipe="table")
    assert code == 1 and "does not exist. Run `kerasfer study" in output


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--methods", "plane"], "--methods: expected some of plain, FixMatch."),
        (["--settings", "all"], "--settings: expected some of few labels. Received"),
        (["--jobs", 0], "--jobs: expected at least 1"),
        (["--data", "face=a.csv"], "needs NAME=PATH for\n  faces: some faces"),
        (["--data", "faces=a.csv"], "faces: a.csv does not exist"),
        (["--data", "faces=none"], "faces: none does not exist"),  # it is no weights
        (["--", "epochs"], "expected flags after `--`. Received: epochs"),
        (["--", "--epoch", 5], "refuses these flags"),
    ],
)
def test_bad_arguments(folder, arguments, error):
    code, output = study(folder, *arguments, out="bad")
    assert code != 0 and error in output, output
    assert "Traceback" not in output and not (folder / "bad").exists()


def test_jobs_take_turns_on_the_devices(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    taken = [jobs._device(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)]
    assert taken == ["2", "5", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert jobs._device(1) == {}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("0%|\r50%|\nerror: no face\n 99%|", "error: no face"),
        (
            "Traceback\n  in x\ntf.errors.OpError: broken\n\n",
            "tf.errors.OpError: broken",
        ),
        ("epoch 1\rKilled here", "Killed here"),
        ("", "it was killed before it said anything"),
    ],
)
def test_what_a_failed_run_said(tmp_path, said, shown):
    (tmp_path / "run.log").write_text(said)
    assert jobs.last_line(tmp_path / "run.log") == shown


@pytest.mark.slow
def test_a_table_of_a_paper_by_the_two_commands(tmp_path):
    command = ("remop_figure4", "--toy", "--methods", "beta = 0.1", "--out", tmp_path)
    code, output = run(*command, recipe="study")
    assert code == 0 and "1 runs, 1 of them to be made" in output, output
    code, output = run("remop_figure4", "--runs", tmp_path, recipe="table")
    assert code == 0 and "backbone: compact here, resnet18 in the study" in output
    assert "* not run: beta = 0.5 (default), beta = 0.3" in output


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A folder for toy runs, which the papers' tables share, in all test processes."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return shared / "toys"


# Not real_faces, whose methods are of one setting each, and its flags no paper's.
OF_PAPERS = sorted(
    path.stem
    for path in (RECIPES / "studies").glob("*_*.yaml")
    if path.stem != "real_faces"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", of_this_commit(OF_PAPERS))
def test_every_table_of_the_papers_runs_end_to_end(name, toys):
    """As `recipes/study.py NAME --toy` and `recipes/table.py NAME` do, on rendered
    faces, in this process; of methods that differ in a number, the first alone."""
    read = study_file.read_study(name)
    data = toy.toy_data(read.needed(read.settings), toys)
    cells = read.cells(data, toy.toy_flags(read), read.settings, read.methods)
    cells = {(c.setting, c.recipe.name, c.row): c for c in reversed(cells)}.values()
    undefined = 0  # F1 of a unit that no test face shows and none is said to show
    for cell, seed, _, config, folder in plan.add_to_plan(toys, read, cells, (0,)):
        result = cell.recipe.run(config, cell.row, seed, folder)
        metrics = read.metrics_of(cell.setting)
        undefined += sum(result[m] is None for m in metrics if m in result)
    folder = plan.study_folder(toys, name)

    def write(entries, long):
        tables.write_tables(folder, read, entries, long)
        return paper_table.paper_tables(folder, read, entries, long)

    assert "## What differs from the published protocol" in plan.tabulated(
        toys, name, write
    )
    table = pd.read_csv(folder / "paper_table.csv")
    metrics = sum(len(read.metrics_of(setting)) for setting in read.settings)
    rows = {(cell.recipe.name, cell.row) for cell in cells}
    assert (table["runs"] >= 1).sum() == metrics * len(rows) - undefined
    assert (table["published"] != "-").any() == ("figure" not in name)
