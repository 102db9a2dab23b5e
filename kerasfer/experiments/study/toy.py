"""Toy size: a study's every run in seconds, on rendered faces, to see that it runs."""

import pathlib
import subprocess
import sys

import yaml

from kerasfer import recipes
from kerasfer.experiments.runs import claimed

_FLAGS = pathlib.Path(recipes.__path__[0]) / "toy.yaml"
_NUM_FACES = 240


def toy_flags(study):
    """Flags that win over a study's: those of recipes/toy.yaml, then its own `toy`."""
    general = yaml.safe_load(_FLAGS.read_text())
    return {**general, **study.content.get("toy", {})}


def toy_data(needed, out):
    """Name -> manifest of rendered faces; None for weights.

    One set stands for all that is trained and tested on, another one for seas of
    unlabelled faces and other data sets.

    Args:
        needed: name -> the flag that it is a value of.
        out: folder below which the faces are rendered, once.
    """
    kinds = {"manifest": "faces", "anchor": "faces", "backbone_weights": None}
    paths = {}
    for name, flag in needed.items():
        kind = kinds.get(flag, "others")
        paths[name] = None if kind is None else _rendered(out, kind)
    return paths


def _rendered(out, kind):
    folder = (out / "toy_data" / kind).resolve()
    with claimed(folder):
        if not folder.exists():
            seed = {"faces": 0, "others": 1}[kind]
            subprocess.run(
                [
                    sys.executable,
                    *("-m", "kerasfer.data_prep.render_faces"),
                    folder,
                    *("--num-faces", str(_NUM_FACES), "--seed", str(seed)),
                    *("--num-subjects", "40"),
                ],
                check=True,
            )
    return folder / "manifest.csv"
