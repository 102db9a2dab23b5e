"""What the site has beyond `docs/`: pages of the root, notebooks, and the reference.

mkdocs calls the functions `on_...`. Pages name files as they lie in the checkout; here
those links become links within the site.
"""

import os
import pathlib
import re
import subprocess
import sys

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent
OF_ROOT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
ONE_FILE = ("classifiers", "action_units", "schedules")
PACKAGES = (
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
    _add(files, config, "reference/classifiers.md", _reference_of_files(ONE_FILE))
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
    markdown = markdown.replace("](CITATION.cff)", "](CONTRIBUTING.md)")
    if page.file.src_uri in ("index.md", *OF_ROOT):
        markdown = markdown.replace("](docs/", "](")
    return markdown


def _add(files, config, uri, content):
    if files.get_file_from_path(uri):
        files.remove(files.get_file_from_path(uri))
    files.append(File.generated(config, uri, content=content))


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
