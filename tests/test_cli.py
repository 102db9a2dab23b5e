"""`kerasfer`, as a stranger types it."""

import importlib.metadata
import subprocess
import sys
import time

import pytest

from kerasfer import cli


def run(*words):
    command = [sys.executable, "-m", "kerasfer", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_fits_a_screen_and_says_what_comes_next(capsys):
    assert cli.main([]) == cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: kerasfer COMMAND")
    lines = text[: len(text) // 2].splitlines()  # printed twice
    assert len(lines) <= 32 and max(map(len, lines)) <= 80
    assert "kerasfer train margin_mix" in text
    for command in (*cli._PROGRAMS, "doctor"):
        assert f"\n  {command} " in text


def test_help_is_quick():
    seconds = []
    for _ in range(3):
        begin = time.monotonic()
        assert run("--help").returncode == 0
        seconds.append(time.monotonic() - begin)
    assert min(seconds) < 0.5


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["trian"], "error: no command trian. Did you mean train? Expected one of"),
        (["train", "margin-mix"], "no recipe margin-mix. Did you mean margin_mix?"),
        (["prepare", "rafbd"], "no dataset rafbd. Did you mean rafdb?"),
        (["doctor", "margin"], "no recipe margin. Did you mean margin_mix?"),
    ],
)
def test_a_misspelled_word_suggests_the_nearest(words, error, capsys):
    assert cli.main(words) == 2
    assert error in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("train", "  margin_mix             Margin-Mix beside supervised training"),
        ("prepare", "  from_folder            Any folder of images to a manifest."),
    ],
)
def test_names_are_listed_with_what_they_are(command, line, capsys):
    assert cli.main([command]) == 0
    text = capsys.readouterr().out
    assert line in text and "--help" in text
    assert all(f"\n  {name} " in text for name in cli.programs_of(command))


@pytest.mark.parametrize(
    "words",
    [
        ["train", "ada_cm"], ["prepare", "from_folder"], ["check"], ["export"],
        ["predict"], ["study"], ["table"], ["tune"], ["report"], ["figures"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_each_command_is_its_program(words):
    done = run(*words, "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: kerasfer {' '.join(words)} " in done.stdout.replace("\n", " ")


def test_a_misspelled_flag_suggests_the_nearest():
    done = run("train", "ada_cm", "--epohcs", "3")
    assert done.returncode == 2
    assert "--epohcs" in done.stderr and "--epochs" in done.stderr


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kerasfer 0.")


@pytest.mark.parametrize(
    ("words", "positionals"),
    [
        (["prepare", "from_folder"], "SOURCE OUT"), (["export"], "RUN OUT"),
        (["predict"], "MODEL PHOTOS"), (["check"], "MANIFEST"), (["study"], "NAME"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)  # fmt: skip
def test_positional_names_say_what_they_are(words, positionals):
    assert f"OPTIONS] {positionals}" in run(*words, "--help").stdout


@pytest.mark.skipif(
    importlib.metadata.version("tyro").startswith("0.8"),
    reason="the version for TensorFlow 2.15 prints columns side by side",
)
def test_the_flags_of_a_recipe_are_grouped():
    text = run("train", "margin_mix", "--help").stdout
    groups = ("faces", "network", "training", "margin-mix", "output")
    places = [text.index(f" {group} options ") for group in groups]
    assert places == sorted(places)
    assert places[1] < text.index("--dropout") < places[2]
    assert places[4] < text.index("--tensorboard")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("kerasfer tr", "train"),
        ("kerasfer train margin", "margin_mix"),
        ("kerasfer prepare raf", "rafdb"),
        ("kerasfer study rend", "rendered"),
    ],
)
def test_bash_completes(typed, completed, capsys):
    assert cli.main(["completion"]) == 0
    words = typed.split()
    script = (
        capsys.readouterr().out
        + f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _kerasfer; "
        + "echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == [completed], done.stderr
