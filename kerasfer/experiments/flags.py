"""Flags from a dataclass, and checks of their values."""

import dataclasses
import pathlib
import sys
from typing import Literal

import tyro
import yaml

from kerasfer.experiments.yaml_text import read_yaml

# Keys of `kerasfer.vision.alignment.CROPS`, without importing it for --help.
CropName = Literal["arcface", "fer2013", "rendered", "box"]


def parse(config_class, arguments=None):
    """A config from defaults < `--config file.yaml` < flags.

    A YAML file is a list of flags written down: its keys are the names of the fields,
    and what is unknown or ill-typed is refused as on the command line.
    """
    arguments = with_config_files(sys.argv[1:] if arguments is None else arguments)
    description = (
        f"{sys.modules[config_class.__module__].__doc__}\n\n"
        "--config FILE.yaml reads flags from a file, or from one of the recipes' "
        "(short, pretrained, resnet18, ...); flags given here win."
    )
    try:
        flat = tyro.conf.OmitArgPrefixes[config_class]
        return tyro.cli(flat, description=description, args=arguments)
    except ValueError as error:  # from __post_init__: a value that cannot be
        raise SystemExit(f"error: {error}") from None


def with_config_files(arguments):
    """The words of a command line, those of its `--config FILE` before all others."""
    arguments = list(arguments)
    return _flags_of_config_file(arguments) + arguments


def _flags_of_config_file(arguments):
    """Takes `--config FILE` out of the arguments; gives the flags in the file."""
    flags = []
    for flag in [a for a in arguments if a == "--config" or a.startswith("--config=")]:
        at = arguments.index(flag)
        _, has_value, path = flag.partition("=")
        if not has_value:
            path = arguments.pop(at + 1) if at + 1 < len(arguments) else ""
        arguments.pop(at)
        try:
            content = read_yaml(_config_file(path).read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise SystemExit(f"error: --config {path}: {error}") from None
        if not isinstance(content, dict):
            raise SystemExit(f"error: --config {path}: expected `name: value` lines.")
        flags += as_arguments(content)
    return flags


def _config_file(path):
    """A file, or one that comes with the recipes: "short", or "recipes/short.yaml"
    where there is no checkout."""
    given = pathlib.Path(path)
    if not given.exists():
        from kerasfer.recipes import __path__ as recipes

        shipped = pathlib.Path(recipes[0]) / f"{given.stem}.yaml"
        if shipped.exists() and given.parent.name in ("", "recipes"):
            return shipped
    return given


def as_arguments(values):
    """Command line of a dict, name of a field -> value, as YAML has them."""
    return [word for name, value in values.items() for word in _flag(name, value)]


def with_values(config, values):
    """A config with other values of some fields, its own or those of its groups.

    Raises:
        ValueError: there is no such field, or its value cannot be.
    """
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in values:
            changes[field.name] = values[field.name]
        elif dataclasses.is_dataclass(value):
            names = {f.name for f in dataclasses.fields(value)} & set(values)
            inner = {name: values[name] for name in names}
            if inner:
                changes[field.name] = dataclasses.replace(value, **inner)
                values = {k: v for k, v in values.items() if k not in names}
    unknown = set(values) - set(changes)
    if unknown:
        raise ValueError(f"No field is called {', '.join(sorted(unknown))}.")
    return dataclasses.replace(config, **changes)


def _flag(name, value):
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *map(str, values)]


def require_at_least(config, lowest, *names):
    """Raises a ValueError if one of the fields, or an entry of it, is smaller."""
    _require(config, names, lambda value: value >= lowest, f"at least {lowest}")


def require_above_0(config, *names):
    """Raises a ValueError if one of the fields is 0 or negative."""
    _require(config, names, lambda value: value > 0, "more than 0")


def require_within(config, lowest, highest, *names):
    """Raises a ValueError if one of the fields is outside [lowest, highest]."""
    expected = f"{lowest} to {highest}"
    _require(config, names, lambda value: lowest <= value <= highest, expected)


def _require(config, names, holds, expected):
    for name in names:
        value = getattr(config, name)
        entries = value if isinstance(value, tuple) else (value,)
        if not entries or not all(map(holds, entries)):
            flag = "--" + name.replace("_", "-")
            raise ValueError(f"{flag}: expected {expected}. Received: {value}.")
