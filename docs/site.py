"""What the site has beyond `docs/`: pages of the root, notebooks, and the reference.

mkdocs calls the functions `on_...`. Pages name files as they lie in the checkout; here
those links become links within the site.
"""

import os
import pathlib
import re
import runpy
import subprocess
import sys

import pandas as pd
import yaml
from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent
OF_ROOT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
ONE_FILE = ("action_units", "schedules")
PACKAGES = (
    "classifiers",
    "schemes",
    "plug_ins",
    "training",
    "data",
    "augment",
    "backbones",
    "layers",
    "losses",
    "metrics",
    "targets",
    "callbacks",
    "deploy",
    "analysis",
    "omni",
    "vision",
)


def on_files(files, config):
    """Adds the pages that do not lie in docs/."""
    for name in OF_ROOT:
        _add(files, config, name, (ROOT / name).read_text())
    _add(files, config, "index.md", (ROOT / "README.md").read_text())
    for notebook in sorted((ROOT / "recipes/notebooks").glob("*.ipynb")):
        _add(files, config, f"notebooks/{notebook.name}", notebook.read_text())
    for name, page in _methods():
        _add(files, config, f"methods/{name}.md", page)
    _add(files, config, "reference/helpers.md", _reference_of_files(ONE_FILE))
    for package in PACKAGES:
        page = _reference_of_package(package)
        _add(files, config, f"reference/{package}.md", page)
    _add(files, config, "reference/command_line.md", _command_line())
    return files


def on_page_markdown(markdown, page, config, files):
    """Links as the site has them."""
    up = "../" * page.file.src_uri.count("/")
    markdown = re.sub(
        r"\]\((?:\.\./)*recipes/notebooks/", f"]({up}notebooks/", markdown
    )
    for name in OF_ROOT:
        markdown = re.sub(rf"\]\((?:\.\./)*{name}\)", f"]({up}{name})", markdown)
    # The site has no page of it: its text says what to cite.
    markdown = markdown.replace("[CITATION.cff](CITATION.cff)", "`CITATION.cff`")
    if page.file.src_uri in ("index.md", *OF_ROOT):
        markdown = markdown.replace("](docs/", "](")
    return markdown


def _add(files, config, uri, content):
    if files.get_file_from_path(uri):
        files.remove(files.get_file_from_path(uri))
    files.append(File.generated(config, uri, content=content))


def _methods():
    """(name of the file, page) of each entry of methods.yaml."""
    tables = runpy.run_path(str(ROOT / "tests/benchmarks/real_faces.py"))
    rows = pd.read_csv(ROOT / "docs/measured/real_faces.csv")
    for method in yaml.safe_load((ROOT / "docs/methods.yaml").read_text()):
        name = re.sub("[^a-z]+", "_", method["name"].lower())
        yield name, _method(method, rows, tables)


def _method(method, rows, tables):
    parts = [
        f"# {method['name']}",
        f"*{method['paper']}*",
        f"**When to use it.** {method['when']}",
        f"```sh\nkerasfer train {method['train']}\n```",
        "## What it gained here",
    ]
    own = rows[rows["method"].isin([method.get("measured"), "supervised"])]
    measured = own[own["method"] != "supervised"]["setting"].drop_duplicates()
    for setting in measured:
        if method["name"] != "Supervised":
            parts += [f"FER2013 with FER+ labels, {setting}, by the last epoch:"]
            two = {k: v for k, v in tables["_BY_LAST"].items() if k[1] != "macro_f1"}
            parts += [tables["table"](own, setting, two)]
    if not len(measured):
        text = "It was not measured on real faces."
        if method["name"] == "Supervised":
            text = "It is the row that all others are compared with."
        parts += [f"{text} See [measured](../measured/README.md)."]
    parts += ["## Equations, defaults, deviations", f"::: kerasfer.{method['class']}"]
    return "\n\n".join(parts) + "\n"


def _reference_of_files(names):
    parts = ["# kerasfer", *(f"::: kerasfer.{name}" for name in names)]
    return "\n\n".join(parts) + "\n"


def _reference_of_package(name):
    folder = ROOT / "kerasfer" / name
    modules = sorted(
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in folder.rglob("*.py")
        if path.stem != "__init__" and path.parent.name != "safe_loading"
    )
    parts = [f"# kerasfer.{name}", *(f"::: {module}" for module in modules)]
    return "\n\n".join(parts) + "\n"


def _command_line():
    """The help of each command, as the parser prints it."""
    from kerasfer.recipes import TRAINING

    commands = [["train", name] for name in TRAINING]
    others = (
        "check compare evaluate export predict report study systems table tune figures"
    )
    commands += [[name] for name in [*others.split(), "doctor"]]
    parts = ["# Command line"]
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
    for command in commands:
        words = [sys.executable, "-m", "kerasfer", *command, "--help"]
        shown = subprocess.run(
            words, capture_output=True, text=True, env=environment, cwd=ROOT, check=True
        ).stdout
        parts.append(
            f"## kerasfer {' '.join(command)}\n\n```text\n{shown.strip()}\n```"
        )
    return "\n\n".join(parts) + "\n"
