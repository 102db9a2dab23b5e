"""What the command line of a study asks for: parts of it, data, flags of every run."""

import pathlib

import yaml

from kerasfer.experiments.study.toy import toy_data


def as_flags(words):
    """["--epochs", "5", "--no-alone"] as {"epochs": 5, "no_alone": True}."""
    flags, name = {}, None
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            flags[name.replace("-", "_")] = [yaml.safe_load(value)] if value else []
        elif name is None:
            raise SystemExit(f"error: expected flags after `--`. Received: {word}.")
        else:
            flags[name.replace("-", "_")].append(yaml.safe_load(word))
    return {name: _value(values) for name, values in flags.items()}


def _value(values):
    if not values:
        return True  # a flag alone
    return values[0] if len(values) == 1 else values


def chosen(asked, known, flag):
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise SystemExit(
            f"error: {flag}: expected some of {', '.join(known)}. Received: "
            f"{', '.join(unknown)}."
        )
    return [name for name in known if name in asked] if asked else known


def data_of(config, study, settings):
    """Name -> path of what the study asks for; None where there is none.

    Raises:
        ValueError: something is missing, is no file, or is not asked for.
    """
    needed = study.needed(settings)
    if config.toy:
        return toy_data(needed, config.out)
    given = dict(text.partition("=")[::2] for text in config.data)
    known = study.content.get("data", {})
    unknown = set(given) - set(known)
    missing = [f"  {name}: {known[name]}" for name in needed if not given.get(name)]
    if missing:
        lines = "\n".join(missing)
        raise ValueError(f"--data: {study.name} needs NAME=PATH for\n{lines}")
    if unknown:
        raise ValueError(
            f"--data: expected some of {', '.join(known) or 'none'}. Received: "
            f"{', '.join(sorted(unknown))}."
        )
    paths = {}
    for name, flag in needed.items():
        path = pathlib.Path(given[name])
        without = given[name] == "none" and flag == "backbone_weights"
        if not without and not path.exists():
            raise ValueError(f"--data: {name}: {path} does not exist.")
        paths[name] = None if without else path.resolve()
    return paths
