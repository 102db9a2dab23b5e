"""The small files of a run, config.yaml, env.json and result.json, read back."""

import json

import yaml

from kerasfer.experiments.yaml_text import read_yaml


def read_facts(path):
    """The dict of a JSON file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, e.g. empty after a loss of power.
    """
    return _dict_of(path, json.loads)


def facts_if_whole(path):
    """As `read_facts`; {} where there is none, or, with a warning, a damaged one."""
    if not path.exists():
        return {}
    try:
        return read_facts(path)
    except ValueError as error:
        print(f"warning: {error}")
        return {}


def read_settings(path):
    """As `read_facts`, of a YAML file."""
    return _dict_of(path, read_yaml)


def _dict_of(path, parse):
    try:
        content = parse(path.read_text("utf8"))
    except (ValueError, yaml.YAMLError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} is damaged ({path.stat().st_size} bytes). Put it back, or remove "
            "its folder to make the run again."
        )
    return content
