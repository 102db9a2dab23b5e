"""What is installed: metadata, requirements files, wheel and source archive."""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parent.parent
# Allowed in more versions by the package than requirements.txt asks for: two stacks.
OF_TWO_STACKS = {"tensorflow", "keras", "tyro"}


def _declared(extra=None):
    """Name -> bounds, of the core or of an extra, as the installed package says."""
    found = {}
    for line in importlib.metadata.requires("kerasfer"):
        requirement, _, condition = line.partition(";")
        of = re.search(r'extra == "(\w+)"', condition)
        if (of and of.group(1)) == extra:
            found |= _parsed(requirement)
    return found


def _listed(name):
    """Name -> bounds, of a requirements file; others that it includes are left out."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith(("#", "-")):
            found |= _parsed(line)
    return found


def _parsed(requirement):
    name, bounds = re.match(r"([\w-]+)(.*)", requirement.replace(" ", "")).groups()
    return {name.lower().replace("_", "-"): set(filter(None, bounds.split(",")))}


def test_requirements_are_the_core_and_experiments():
    declared, listed = (
        _declared() | _declared("experiments"),
        _listed("requirements.txt"),
    )
    assert declared.keys() == listed.keys()
    for name in declared.keys() - OF_TWO_STACKS:
        assert declared[name] == listed[name], name
    heavy = {"tyro", "keras-tuner", "tqdm", "tabulate", "jinja2", "filelock", "mtcnn"}
    assert not heavy & _declared().keys()


@pytest.mark.parametrize("extra", ["faces", "export", "beam", "docs"])
def test_extras_are_their_files(extra):
    assert _declared(extra) == _listed(f"requirements-{extra}.txt")


def test_the_extra_of_tests_is_its_file():
    declared = _declared("test")
    assert declared.pop("kerasfer") == {"[experiments", "export", "faces]"}
    assert declared == _listed("requirements-test.txt")


def test_addons_fit_their_file():
    declared, listed = _declared("addons"), _listed("requirements-addons.txt")
    for name, bounds in declared.items():
        assert bounds <= listed[name], name  # a file may have a lower bound too


def test_metadata():
    about = importlib.metadata.metadata("kerasfer")
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Author"] == "kerasfer developers"
    assert about.get("Home-page") is None
    scripts = importlib.metadata.entry_points(group="console_scripts", name="kerasfer")
    assert [script.value for script in scripts] == ["kerasfer.cli:run"]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The source archive of this tree, and the wheel made from that archive."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


@pytest.mark.slow
def test_archives_have_all_that_the_programs_read(archives):
    source, wheel = archives
    with zipfile.ZipFile(wheel) as opened:
        in_wheel = set(opened.namelist())
    with tarfile.open(source) as opened:
        in_source = {name.partition("/")[2] for name in opened.getnames()}
    for name in (
        "recipes/short.yaml", "recipes/studies/rendered.yaml", "recipes/margin_mix.py",
        "recipes/notebooks/1_quick_start.ipynb", "data_prep/from_folder.py",
    ):  # fmt: skip
        assert f"kerasfer/{name}" in in_wheel and name in in_source
    package = [p for p in (ROOT / "kerasfer").rglob("*") if p.is_file()]
    for path in package:
        if path.suffix in (".py", ".pyi", ".html", ".typed"):
            name = path.relative_to(ROOT).as_posix()
            assert name in in_wheel and name in in_source, name
    assert {"LICENSE", "README.md", "tests/test_packaging.py"} <= in_source


@pytest.mark.slow
def test_the_wheel_runs_elsewhere(archives, tmp_path):
    """Installed alone, over this environment's packages, in a folder elsewhere."""
    place = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    libraries = next((place / "lib").glob("python*")) / "site-packages"
    others = [p for p in sys.path if p.endswith("site-packages")]
    # Of this environment all but the editable kerasfer, whose finder is a .pth file.
    (libraries / "others.pth").write_text("\n".join(others))
    pip = [place / "bin/python", "-m", "pip", "install", "--no-deps", "--quiet"]
    subprocess.run([*pip, archives[1]], check=True)

    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def started(program, *words):
        command = [place / "bin" / program, *map(str, words)]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=inherited,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(*words):
        return started("kerasfer", *words)

    found = started("python", "-c", "import kerasfer; print(kerasfer.__file__)")
    assert found.stdout.startswith(str(libraries))
    doctor = run("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "Nothing is wrong." in doctor.stdout
    trained = run(
        *("train", "margin_mix", "--epochs", 1, "--steps-per-epoch", 2),
        *("--rendered-faces", 200, "--protocol", "balanced:labels=16"),
        *("--image-size", 16, "--beside", "supervised"),
    )
    assert trained.returncode == 0, trained.stderr
    assert "| margin_mix" in trained.stdout
    assert (tmp_path / "runs" / "margin_mix").is_dir()
    assert run("study", "rendered", "--help").returncode == 0
