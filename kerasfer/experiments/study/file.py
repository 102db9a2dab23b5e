"""Study files: methods x settings x seeds in YAML, and the runs that they ask for.

    title: ReMoP, Table 3
    recipe: baselines                  # of the methods that name no other
    seeds: [0, 1, 2]
    metrics: {accuracy: overall, mean_class_accuracy: mean class}
    data: {rafdb: "RAF-DB, basic"}     # what `--data rafdb=MANIFEST.csv` must give
    flags: {epochs: 100}               # of all runs; then a setting's, then a method's
    settings:
      "500, 150": {manifest: $rafdb, protocol: "imbalanced:n1=500,gamma=150"}
    methods:                           # rows of the tables
      FixMatch: {scheme: fixmatch, published: {"500, 150": 77.33±.27 / 53.88±1.13}}

Published numbers are in percent, or in the file's `unit`. A setting may have `metrics`
of its own. A method may have a `recipe`, and names the one of its rows that is meant in
`row` where there are several; `settings` lists those it is run in, if not in all.
`differs` lists what of the published protocol no flag says; `floors: [hog,
linear_probe]` adds a row of each (`floors.py`); `toy` are flags for `--toy`, over
recipes/toy.yaml. Everything else is a flag of the recipe.
"""

import dataclasses
import hashlib
import importlib
import json
import pathlib

import yaml

from kerasfer import recipes
from kerasfer.experiments.flags import as_arguments, parse
from kerasfer.experiments.floors import TITLES
from kerasfer.experiments.folds import per_fold
from kerasfer.experiments.recipe import Recipe
from kerasfer.experiments.runs import slug
from kerasfer.experiments.study.published import published_values
from kerasfer.experiments.yaml_text import read_yaml

STUDIES = pathlib.Path(recipes.__path__[0]) / "studies"
_KEYS = {
    "title", "source", "recipe", "seeds", "metrics", "data", "flags", "settings",
    "methods", "differs", "floors", "toy", "unit",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cell:
    """One method in one setting: a row's number in a table."""

    setting: str
    method: str
    """Its name in the table."""
    row: str
    """Its name in the recipe."""
    recipe: Recipe
    config: object
    printed: dict
    """How the run would be made by the study file alone."""
    metrics: dict

    @property
    def settings(self):
        """How the run is made."""
        config = self.recipe.config_of(self.config, self.row)
        return self.recipe.settings(config, self.row)

    def folder(self, out):
        """Of all its runs: one for equal settings, whatever study asks for them, and
        whatever other data sets it tests on."""
        settings = {**self.recipe.settings(self.config, self.row), "test": []}
        text = json.dumps(settings, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return out / self.recipe.name / f"{slug(self.config.faces.name)}_{digest}"

    def runs(self, out, seeds):
        """(seed, fold, config, folder) of each run."""
        for seed in seeds:
            for fold, config in per_fold(self.config):
                folder = self.folder(out) / f"seed{seed}" / fold / self.row
                yield seed, fold, config, folder


@dataclasses.dataclass(frozen=True)
class Study:
    """A study file, read and checked."""

    name: str
    content: dict

    @property
    def seeds(self):
        return tuple(self.content.get("seeds", [0]))

    @property
    def differs(self):
        return tuple(self.content.get("differs", []))

    @property
    def unit(self):
        """Of the numbers in the tables: "%", or another one, as they are."""
        return self.content.get("unit", "%")

    @property
    def scale(self):
        return 100 if self.unit == "%" else 1

    @property
    def settings(self):
        return tuple(self.content["settings"])

    @property
    def methods(self):
        return tuple(self.content["methods"])

    def metrics_of(self, setting):
        """Metric -> title, of a setting's tables."""
        return (self.content["settings"][setting] or {}).get(
            "metrics", self.content["metrics"]
        )

    def published_values(self, setting, method):
        """Metric -> (value, deviation or None, text), as published; the numbers as
        shares if they are in percent."""
        text = (self.content["methods"][method] or {}).get("published", {}).get(setting)
        where = f"{self.name}, setting {setting}, method {method}"
        values = published_values(text, self.metrics_of(setting), where)
        return {
            metric: (value / self.scale, deviation and deviation / self.scale, text)
            for metric, (value, deviation, text) in values.items()
        }

    def needed(self, settings):
        """Name of data or weights that some settings ask for -> the flag it is for."""
        groups = [
            self.content.get("flags", {}),
            *(self.content["settings"][setting] for setting in settings),
            *self.content["methods"].values(),
        ]
        flags = {}
        for group in groups:
            for flag, value in (group or {}).items():
                for entry in value if isinstance(value, list) else [value]:
                    if flag != "published" and isinstance(entry, str) and "$" in entry:
                        flags[entry.partition("$")[2]] = flag
        unknown = set(flags) - set(self.content.get("data", {}))
        if unknown:
            raise SystemExit(
                f"error: {self.name}: expected `data` to say what "
                f"{', '.join(sorted(unknown))} is."
            )
        return flags

    def cells(self, data, overrides, settings, methods):
        """The cells of some settings and methods.

        Args:
            data: name -> path, for the `$name` in the file.
            overrides: flags that win over those of the file; None takes one away.

        Raises:
            SystemExit: a flag that a recipe does not have, or a value it refuses.
        """
        return [
            self._cell(setting, method, data, overrides)
            for setting in settings
            for method in methods
            if setting in self.settings_of(method)
        ]

    def settings_of(self, method):
        """Names of the settings that a method is run in."""
        return (self.content["methods"][method] or {}).get("settings", self.settings)

    def _cell(self, setting, method, data, overrides):
        content = self.content
        of_setting = dict(content["settings"][setting] or {})
        of_method = dict(content["methods"][method] or {})
        of_setting.pop("metrics", None)
        of_method.pop("published", None), of_method.pop("settings", None)
        metrics = self.metrics_of(setting)
        recipe_name = of_method.pop("recipe", content.get("recipe"))
        row = of_method.pop("row", None)
        recipe = load_recipe(recipe_name, f"{self.name}, {method}")
        printed = {**content.get("flags", {}), **of_setting, **of_method}
        flags = {name: resolved(value, data) for name, value in printed.items()}
        where = f"{self.name}, setting {setting}, method {method}"
        config = _parsed(recipe, {**flags, **overrides}, where)
        as_printed = _parsed(recipe, printed, where)
        rows = [*dict.fromkeys(recipe.methods(config))]
        if row is None and len(rows) == 1:
            (row,) = rows
        if row not in rows:
            raise SystemExit(
                f"error: {self.name}, {method}: expected `row`, one of "
                f"{', '.join(rows)}. Received: {row}."
            )
        as_printed = recipe.settings(recipe.config_of(as_printed, row), row)
        self.published_values(setting, method)  # their form is checked before a run
        return Cell(setting, method, row, recipe, config, as_printed, metrics)


def _parsed(recipe, flags, where):
    given = {name.replace("-", "_") for name in flags} & {"seeds", "out"}
    if given:
        raise SystemExit(
            f"error: {where}: {', '.join(sorted(given))} is the study's, no flag of a "
            "run. Give it to `kerasfer study`."
        )
    flags = {name: value for name, value in flags.items() if value is not None}
    try:
        return parse(recipe.config, as_arguments(flags))
    except SystemExit as error:
        said = f"{error.code}\n" if isinstance(error.code, str) else ""
        raise SystemExit(
            f"{said}error: {where}: recipe {recipe.name} refuses these flags: {flags}."
        ) from None


def read_study(name):
    """A study by its name in `recipes/studies/`, or by the path of a file.

    Raises:
        SystemExit: no such file, no YAML, or a key that is missing or unknown.
    """
    path = pathlib.Path(name)
    if not path.exists():
        path = STUDIES / f"{name}.yaml"
    if not path.exists():
        names = ", ".join(sorted(p.stem for p in STUDIES.glob("*.yaml")))
        raise SystemExit(
            f"error: no study {name}. Expected the path of a YAML file, or one of "
            f"{names}."
        )
    try:
        content = read_yaml(path.read_text())
    except yaml.YAMLError as error:
        raise SystemExit(f"error: {path}: {error}") from None
    if not isinstance(content, dict):
        raise SystemExit(f"error: {path}: expected `title:`, `settings:`, `methods:`.")
    unknown = set(content) - _KEYS
    missing = {"title", "settings", "methods", "metrics"} - set(content)
    if unknown or missing:
        raise SystemExit(
            f"error: {path}: expected {', '.join(sorted(_KEYS))}. Missing: "
            f"{', '.join(sorted(missing)) or 'none'}; unknown: "
            f"{', '.join(sorted(unknown)) or 'none'}."
        )
    return Study(path.stem, _with_floors(path, content))


def _with_floors(path, content):
    """The content with a method for each of its `floors`, last: differences are to the
    first one."""
    floors = content.pop("floors", None) or []
    if unknown := [floor for floor in floors if floor not in TITLES]:
        raise SystemExit(
            f"error: {path}: expected `floors` to be some of {', '.join(TITLES)}. "
            f"Received: {', '.join(map(str, unknown))}."
        )
    rows = {TITLES[floor]: {"row": floor, "beside": [floor]} for floor in floors}
    return {**content, "methods": {**content["methods"], **rows}}


def load_recipe(name, where):
    """A recipe by its name.

    Raises:
        SystemExit: there is no such recipe.
    """
    if name not in recipes.TRAINING:
        raise SystemExit(
            f"error: {where}: expected a recipe, one of {', '.join(recipes.TRAINING)}. "
            f"Received: {name}."
        )
    return importlib.import_module(f"kerasfer.recipes.{name}").RECIPE


def resolved(value, data):
    """A flag's value with the path of each `$name` in it; None if a name has none."""
    if isinstance(value, list):
        values = [resolved(entry, data) for entry in value]
        return None if None in values else values
    if not isinstance(value, str) or "$" not in value:
        return value
    before, _, name = value.partition("$")
    return None if data.get(name) is None else f"{before}{data[name]}"
