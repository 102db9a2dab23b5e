"""What is searched: a recipe's own space, or ranges of a YAML file."""

import dataclasses
import pathlib

import yaml

from kerasfer.experiments.flags import with_values
from kerasfer.experiments.yaml_text import read_yaml

_KEYS = {"low", "high", "log"}


def search_space(recipe, hp, config, names=(), ranges=None):
    """Name of a field -> value to try; None of one that is not searched.

    Args:
        recipe: a `Recipe`.
        hp: Keras Tuner's hyperparameters.
        config: the recipe's.
        names: only these of the space; empty is all.
        ranges: of `read_ranges`, in the place of the recipe's space.
    """
    if ranges is None:
        return recipe.search_space(_Chosen(hp, names), config)
    asked = _Chosen(hp, names)
    return {name: _asked(asked, name, given) for name, given in ranges.items()}


def names_of(recipe, config, ranges=None):
    """Names of the whole space."""
    return [*_ranges_of(recipe, config, ranges)]


def describe(recipe, config):
    """Lines of text: each name of a recipe's space with its range."""
    ranges = _ranges_of(recipe, config)
    width = max(map(len, ranges), default=0)
    return [f"{name:<{width}}  {text}" for name, text in ranges.items()]


def read_ranges(path):
    """Name -> range, of a YAML file: `name: [0.5, 0.9]` for values to choose from,
    `name: {low: 1e-4, high: 1e-2, log: true}` for numbers between two.

    Raises:
        ValueError: no such file, or something else in it.
    """
    try:
        content = read_yaml(pathlib.Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"--ranges {path}: {error}") from None
    if not isinstance(content, dict) or not content:
        raise ValueError(f"--ranges {path}: expected `name: range` lines.")
    return {name: _checked(path, name, value) for name, value in content.items()}


def as_fields(path, ranges, config):
    """Ranges with values of the types of their fields, each of which the config takes.

    Raises:
        ValueError: there is no such field, or a value cannot be.
    """
    return {
        name: _as_field(path, name, given, config) for name, given in ranges.items()
    }


def _as_field(path, name, given, config):
    kind = _kind_of(config, name)
    ends = given if isinstance(given, list) else [given["low"], given["high"]]
    try:
        if kind in (int, float):
            if kind is int and any(float(value) % 1 for value in ends):
                raise ValueError("expected whole numbers")
            ends = [kind(float(value)) for value in ends]
        for value in ends:
            with_values(config, {name: value})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"--ranges {path}, {name}: {error}. Received: {given}."
        ) from None
    if isinstance(given, list):
        return ends
    if kind not in (int, float):
        raise ValueError(
            f"--ranges {path}, {name}: is no number; give a list of values."
        )
    return {**given, "low": ends[0], "high": ends[1]}


def _kind_of(config, name):
    """Type of a field's values, of the config or a group of it."""
    for group in (config, *vars(config).values()):
        if dataclasses.is_dataclass(group) and name in vars(group):
            value = getattr(group, name)
            if value is None:  # such as `threshold: float | None`
                text = str(group.__dataclass_fields__[name].type)
                return float if "float" in text else int if "int" in text else str
            return type(value)
    raise ValueError(f"--ranges: no field is called {name}.")


def _checked(path, name, given):
    expected = (
        f"--ranges {path}, {name}: expected [value, value, ...], or {{low: ..., high: "
        f"...}} with `log: true` if wanted. Received: {given}."
    )
    if isinstance(given, list) and given:
        return given
    if not isinstance(given, dict) or not {"low", "high"} <= {*given} <= _KEYS:
        raise ValueError(expected)
    try:  # YAML takes 1e-4, without a dot, for a text
        low, high = float(given["low"]), float(given["high"])
    except (TypeError, ValueError):
        raise ValueError(expected) from None
    log = given.get("log", False)
    if not low < high or not isinstance(log, bool) or (log and low <= 0):
        raise ValueError(expected)
    return {"low": low, "high": high, "log": log}


def _asked(asked, name, given):
    if isinstance(given, list):
        return asked.Choice(name, given)
    sampling = "log" if given["log"] else "linear"
    if isinstance(given["low"], int):
        return asked.Int(name, given["low"], given["high"], sampling=sampling)
    return asked.Float(name, given["low"], given["high"], sampling=sampling)


def _ranges_of(recipe, config, ranges=None):
    """Name -> range as text, of the whole space."""
    asked = _Asked()
    search_space(recipe, asked, config, (), ranges)
    return asked.ranges


class _Asked:
    """Takes note of what a space asks of Keras Tuner, which would import TensorFlow for
    a line of help."""

    def __init__(self):
        self.ranges = {}

    def Choice(self, name, values, **options):
        self.ranges[name] = "one of " + ", ".join(map(str, values))
        return values[0]

    def Float(self, name, min_value, max_value, sampling="linear", **options):
        scale = ", log scale" if sampling == "log" else ""
        self.ranges[name] = f"{min_value:g} to {max_value:g}{scale}"
        return min_value

    Int = Float

    def Boolean(self, name, **options):
        return self.Choice(name, [False, True])


class _Chosen:
    """Hyperparameters of which some names are asked for; the others are None."""

    def __init__(self, hp, names):
        self.hp, self.chosen = hp, names

    def __getattr__(self, kind):
        def ask(name, *arguments, **options):
            if self.chosen and name not in self.chosen:
                return None
            return getattr(self.hp, kind)(name, *arguments, **options)

        return ask
