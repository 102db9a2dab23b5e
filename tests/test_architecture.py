"""Imports point down, and importing the package costs nothing."""

import ast
import collections
import graphlib
import pathlib
import re
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "kerasfer"
# Each floor may import from the ones below it; within one, folders never import each
# other in a circle.
FLOORS = [
    {"experiments", "preparation", "doctor", "cli", "__main__"},
    {"schemes", "plug_ins", "omni"},
    {"callbacks", "classifiers", "training", "analysis", "deploy"},
    {"data", "backbones", "layers", "metrics", "vision", "augment", "targets"},
    {"action_units", "frozen", "losses", "optional", "machine_memory", "safe_write",
     "schedules", "quiet"},
    {"_compat", "types"},
]  # fmt: skip
# Taken apart or compared; a run may note it down.
LOOKS_AT_A_VERSION = re.compile(
    r"(keras|tf|tensorflow|tfa)\.__version__\s*(\.|\[|[<>=!]=?)"
    r"|(parse|Version)\(\w+\.__version__"
)
# Of what runs experiments, not of what trains a model.
FORBIDDEN = {"argparse", "tyro", "keras_tuner", "mtcnn", "tqdm", "tensorflow_addons"}
FORBIDDEN |= {"tabulate", "jinja2", "filelock"}
RUNS_EXPERIMENTS = {"experiments", "preparation", "cli"}


def modules():
    return sorted(
        p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem != "__init__"
    )


def level(name):
    return next(i for i, floor in enumerate(FLOORS) if name in floor)


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imported(path):
        parts = name.split(".")
        assert own in RUNS_EXPERIMENTS or parts[0] not in FORBIDDEN, name
        if parts[:2] == ["kerasfer", "recipes"]:
            assert own in RUNS_EXPERIMENTS, f"{own} imports {name}"
        elif parts[0] == "kerasfer" and len(parts) > 1:
            assert level(parts[1]) >= level(own), f"{own} imports {name}"
            assert {own, parts[1]} != {"data", "schemes"}, "they meet only in a dict"


def test_no_two_folders_import_each_other():
    below = collections.defaultdict(set)
    for path in modules():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "kerasfer" and len(parts) > 1 and parts[1] not in (own, "*"):
                below[own].add(parts[1])
    order = [*graphlib.TopologicalSorter(below).static_order()]
    assert order.index("training") < order.index("schemes")


def test_a_version_is_looked_at_in_one_short_place():
    folders = [PACKAGE, PACKAGE.parent / "recipes", PACKAGE.parent / "data_prep"]
    for path in (p for folder in folders for p in folder.rglob("*.py")):
        if path.name != "_compat.py":
            assert not LOOKS_AT_A_VERSION.search(path.read_text()), path
    assert len((PACKAGE / "_compat.py").read_text().splitlines()) < 100


def test_importing_the_package_does_not_import_tensorflow():
    code = (
        "import kerasfer, sys\n"
        "print('tensorflow' in sys.modules, 'schemes' in dir(kerasfer))"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output.strip() == "False True"


def test_public_names():
    import kerasfer

    for name in kerasfer.__all__:
        assert getattr(kerasfer, name) is not None
    with pytest.raises(AttributeError, match="No kerasfer attribute shemes"):
        kerasfer.shemes  # noqa: B018
