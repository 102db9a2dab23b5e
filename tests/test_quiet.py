"""Programs say what they do, and nothing that TensorFlow says to its developers."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOTE = re.compile(
    r"^[IWEF]\d{4} |absl|oneDNN|cuda|rebuild TensorFlow|np_resource|retracing", re.I
)
TINY = (
    "--rendered-faces", "120", "--protocol", "balanced:labels=16", "--image-size", "16",
    "--epochs", "2", "--steps-per-epoch", "2", "--beside", "supervised",
)  # fmt: skip


def stderr_of(*words, cwd, **environment):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def notes(text):
    return [line for line in text.splitlines() if NOTE.search(line)]


def test_training_is_quiet_and_has_a_line_an_epoch(tmp_path):
    text = stderr_of(ROOT / "recipes/margin_mix.py", *TINY, cwd=tmp_path)
    assert not notes(text)
    lines = [line for line in text.splitlines() if line.startswith("margin_mix")]
    assert len(lines) == 2 and "\r" not in text
    assert re.match(r"margin_mix: epoch 1 of 2, .*val_accuracy \d", lines[0])


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "kerasfer", "doctor"),
        ("-m", "kerasfer", "prepare", "render_faces", "OUT", "--num-faces", "100"),
        ("-m", "kerasfer", "train", "margin_mix", "--help"),
    ],
    ids=lambda words: words[2],
)
def test_programs_are_quiet(words, tmp_path):
    assert not notes(stderr_of(*words, cwd=tmp_path))


@pytest.mark.slow
def test_a_study_and_its_runs_are_quiet(tmp_path):
    study = tmp_path / "mine.yaml"
    study.write_text(
        "title: mine\nrecipe: baselines\nmetrics: {accuracy: overall}\n"
        "settings: {few: {}}\nmethods: {supervised: {scheme: supervised}}\n"
    )
    words = ("-m", "kerasfer", "study", study, "--toy")
    assert not notes(stderr_of(*words, cwd=tmp_path))
    (log,) = (tmp_path / "runs/study/mine/logs").glob("*.log")
    assert not notes(log.read_text())


def stderr_of_a_complaining_tensorflow(folder, **environment):
    """Of a module of that name that writes while it is imported."""
    (folder / "tensorflow.py").write_text(
        "import os\n"
        "os.write(2, b'WARNING: All log messages before absl::InitializeLog() is\\n')\n"
        "os.write(2, b'I0000 00:00:1795.42 117 port.cc:153] oneDNN\\n')\n"
        "os.write(2, b'a library is missing\\n')\n"
    )
    code = "from kerasfer.quiet import quiet\nquiet()\nimport tensorflow"
    path = os.pathsep.join([str(folder), str(ROOT)])
    return stderr_of("-c", code, cwd=folder, PYTHONPATH=path, **environment)


def test_other_lines_are_kept(tmp_path):
    assert stderr_of_a_complaining_tensorflow(tmp_path) == "a library is missing\n"


def test_a_process_that_a_quiet_one_starts_is_quiet(tmp_path):
    inherited = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERASFER_SET_LOG_LEVEL": "1"}
    text = stderr_of_a_complaining_tensorflow(tmp_path, **inherited)
    assert text == "a library is missing\n"


@pytest.mark.parametrize("switch", ["KERASFER_VERBOSE", "TF_CPP_MIN_LOG_LEVEL"])
def test_who_asks_for_the_notes_gets_them(switch, tmp_path):
    lines = stderr_of_a_complaining_tensorflow(tmp_path, **{switch: "1"}).splitlines()
    assert len(lines) == 3 and "absl" in lines[0] and "oneDNN" in lines[1]
