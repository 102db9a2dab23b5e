"""`kerasfer doctor`: what it finds, and what it says of what is wrong."""

import shutil
import subprocess
import sys
from collections import namedtuple

from kerasfer import doctor


def said_by(*checks):
    lines = []
    code = doctor.examine(checks, lines.append)
    return code, "\n".join(lines)


def test_on_this_machine():
    process = subprocess.run(
        [sys.executable, "-m", "kerasfer", "doctor"], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr
    lines = process.stdout.splitlines()
    assert lines[-1] == "Nothing is wrong."
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        (line,) = [line for line in lines if f"training, {policy}:" in line]
        assert line.startswith("ok") and "weights moved by" in line
    for ending in (".png", ".jpg"):
        assert any(line.startswith(f"ok     decoding {ending}") for line in lines)


def test_usage(capsys):
    from kerasfer.cli import main

    assert main(["doctor", "--help"]) == 0
    assert "usage: kerasfer doctor [RECIPE [FLAGS]]" in capsys.readouterr().out
    assert main(["doctor", "x"]) == 2
    assert "no recipe x. Expected one of ada_cm," in capsys.readouterr().err


def test_a_full_disk(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1e9))
    code, said = said_by(doctor.disk)
    assert code == 1 and "WRONG  disk: 1.0 GB free" in said
    assert "-> free some, or give --out a folder on another disk" in said
    assert said.endswith("1 things are wrong.")


def test_packages_that_do_not_fit(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf, "__version__", "2.16.1")
    code, said = said_by(doctor.packages)
    assert code == 1 and "WRONG  stack: TensorFlow 2.16.1" in said
    assert "pip install --upgrade tensorflow keras" in said


def test_a_gpu_that_tensorflow_does_not_see(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    code, said = said_by(doctor.devices)
    assert code == 1 and "TensorFlow sees no GPU" in said and "and-cuda" in said


def test_steps_that_move_nothing(monkeypatch):
    monkeypatch.setattr(
        doctor, "_moved_by_steps", lambda policy: float("nan") if "16" in policy else 1
    )
    code, said = said_by(doctor.training_steps)
    assert code == 1 and "ok     training, float32" in said
    assert "WRONG  training, mixed_float16: weights moved by nan" in said


def test_a_check_that_fails_is_a_finding_and_the_others_still_run():
    def a_broken_part():
        raise ImportError("libcuda.so.1\nand more")

    code, said = said_by(a_broken_part, doctor.python_version)
    assert code == 1 and "WRONG  a broken part: ImportError: libcuda.so.1" in said
    assert "-> install the package" in said and "ok     Python: 3" in said


def test_missing_optional_packages_are_notes(monkeypatch):
    monkeypatch.setattr(doctor, "_OPTIONAL", {"no_such_module": ("nothing", "a test")})
    code, said = said_by(doctor.optional_packages)
    assert code == 0 and "note   nothing: not installed, needed for a test" in said
