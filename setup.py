"""Where the packages are; all other metadata is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["kerasfer", "kerasfer.*"]),
        *("kerasfer.recipes", "kerasfer.data_prep"),
    ],
    package_dir={"kerasfer.recipes": "recipes", "kerasfer.data_prep": "data_prep"},
)
