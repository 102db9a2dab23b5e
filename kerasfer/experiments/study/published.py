"""Published numbers, and what part of the protocol behind ours differs."""

import re

# What is measured beside a run changes nothing in it.
_NO_PROTOCOL = {"selections", "last_epochs"}
_NUMBER = r"(\d*\.?\d+)(?:\s*(?:±|\+-)\s*(\d*\.?\d+))?"


def published_values(text, metrics, where):
    """Metric -> (value, deviation or None, both as text).

    Args:
        text: numbers in the order of the metrics, "84.04±.56 / 70.13±.73"; "-" is not
            published; None is nothing published.
        metrics: names.
        where: for the error.

    Raises:
        SystemExit: another form, or more numbers than metrics.
    """
    if text is None:
        return {}
    entries = [entry.strip() for entry in str(text).split("/")]
    values = {}
    for name, entry in zip(metrics, entries, strict=False):
        if entry == "-":
            continue
        match = re.fullmatch(_NUMBER, entry)
        if match is None:
            raise SystemExit(
                f"error: {where}: expected published numbers as in '84.0±0.5 / 70.1'."
                f" Received: {text}."
            )
        value, deviation = match.groups()
        text_of = f"{value} ± {deviation}" if deviation else value
        values[name] = float(value), float(deviation) if deviation else None, text_of
    if len(entries) > len(metrics):
        raise SystemExit(
            f"error: {where}: more published numbers than metrics: {text}."
        )
    return values


def differences(entries):
    """Lines on what differs between runs and their study file; and on which data.

    Args:
        entries: of a plan, with `method`, `settings` and `printed` settings.
    """
    found = {}
    for entry in entries:
        for name, ours in entry["settings"].items():
            theirs = entry["printed"].get(name)
            if ours != theirs and name not in _NO_PROTOCOL:
                pair = (_shown(theirs), _shown(ours))
                found.setdefault(name, {}).setdefault(pair, []).append(entry["method"])
    lines = []
    for name, pairs in found.items():
        for (theirs, ours), methods in pairs.items():
            where = f" ({', '.join(dict.fromkeys(methods))})"
            where = "" if len(methods) == len(entries) else where
            lines.append(f"{name}: {ours} here, {theirs} in the study file{where}")
    return lines


def _shown(value):
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
