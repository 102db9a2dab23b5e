"""Package metadata; tool settings are in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "kerasfer/__init__.py").read_text()
).group(1)


def requirements(name):
    lines = (HERE / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def name_of(requirement):
    return re.match(r"[\w-]+", requirement).group().lower()


# What trains a model needs the others; requirements.txt installs both.
OF_EXPERIMENTS = {
    "keras-tuner", "tensorboard", "mtcnn", "jinja2", "pyyaml", "tabulate", "tqdm",
    "filelock", "mapie", "tyro",
}  # fmt: skip
ALL = requirements("requirements.txt")

setup(
    name="kerasfer",
    version=VERSION,
    description="Semi-supervised facial expression recognition in Keras",
    long_description=(HERE / "README.md").read_text(encoding="utf8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=[
        *find_packages(include=["kerasfer", "kerasfer.*"]),
        *("kerasfer.recipes", "kerasfer.data_prep"),
    ],
    package_dir={"kerasfer.recipes": "recipes", "kerasfer.data_prep": "data_prep"},
    package_data={
        "kerasfer.experiments.report": ["*.html"],
        "kerasfer.recipes": ["*.yaml", "studies/*.yaml", "notebooks/*.ipynb"],
    },
    python_requires=">=3.10",
    install_requires=[r for r in ALL if name_of(r) not in OF_EXPERIMENTS],
    extras_require={
        "experiments": [r for r in ALL if name_of(r) in OF_EXPERIMENTS],
        "beam": requirements("requirements-beam.txt"),
        "export": requirements("requirements-export.txt"),
        "faces": requirements("requirements-faces.txt"),
        "test": requirements("requirements-test.txt"),
    },
)
