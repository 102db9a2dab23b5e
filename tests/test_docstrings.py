"""Examples in docstrings run, and print what they say they print."""

import doctest
import importlib.util
import inspect
import pathlib
import pkgutil

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import kerasfer
from kerasfer.vision.images import cv2

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NEEDS = {"kerasfer.preparation.aligning.beam": "apache_beam"}
"""Modules that an extra is for, and what it installs; not on both stacks."""


class Printed(doctest.OutputChecker):
    """An example without an output says nothing about it: a comment does."""

    def check_output(self, want, got, optionflags):
        return not want or super().check_output(want, got, optionflags)


def modules():
    found = pkgutil.walk_packages(kerasfer.__path__, "kerasfer.")
    skipped = ("kerasfer.recipes", "kerasfer.data_prep", "kerasfer.__main__")
    names = [m.name for m in found if not m.name.startswith(skipped)]
    return [name for name in names if importlib.util.find_spec(NEEDS.get(name, "os"))]


def examples():
    """(name, DocTest) of every docstring with an example, where it is defined."""
    for name in modules():
        module = importlib.import_module(name)
        for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
            if any(not e.options.get(doctest.SKIP) for e in test.examples):
                yield test.name, test


@pytest.fixture(scope="module")
def names():
    """What examples may take as given."""
    faces = kerasfer.data.synthetic.render_manifest(300, seed=0)
    split = kerasfer.data.protocols.split(faces, "balanced:labels=80", seed=0)
    classifier = kerasfer.build_classifier("compact", (48, 48, 3), 8)
    model = kerasfer.schemes.FixMatch(classifier)
    model.compile("adam", metrics=["accuracy"])
    data = kerasfer.data.training_dataset(
        split.labeled, split.unlabeled, model.all_views, batch_size=4
    )
    batch, batch_labels = next(iter(data))
    public = {name: getattr(kerasfer, name) for name in kerasfer.__all__}
    return {
        **public,
        "kerasfer": kerasfer,
        "keras": keras,
        "tf": tf,
        "np": np,
        "pd": pd,
        "pathlib": pathlib,
        "manifest": faces,
        "faces": faces,
        "names": faces.class_names,
        "split": split,
        "classifier": classifier,
        "model": model,
        "data": data,
        "batch": batch,
        "labels": batch_labels,
        "face": faces.image(0),
        "encoded": cv2.imencode(".png", faces.image(0))[1].tobytes(),
        "class_counts": split.labeled.class_counts(),
    }


@pytest.mark.parametrize("test", [pytest.param(t, id=n) for n, t in examples()])
def test_it_runs(test, names, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    of_module = {k: v for k, v in test.globs.items() if not inspect.ismodule(v)}
    test.globs = {**names, **of_module}
    for package in ("schemes", "plug_ins", "losses", "layers", "data", "training"):
        part = getattr(kerasfer, package)
        for name in part.__all__:
            test.globs.setdefault(name, getattr(part, name))
    said = []
    runner = doctest.DocTestRunner(Printed(), optionflags=_FLAGS)
    runner.run(test, out=said.append, clear_globs=False)
    assert not runner.failures, "".join(said)
