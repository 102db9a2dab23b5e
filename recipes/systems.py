"""The systems that the papers' tables name: what is here, and what is missing and why.

python recipes/systems.py
python recipes/systems.py --missing
"""

import dataclasses
import pathlib

from kerasfer.experiments.flags import parse
from kerasfer.experiments.yaml_text import read_yaml

SYSTEMS = pathlib.Path(__file__).with_suffix(".yaml")


@dataclasses.dataclass(frozen=True)
class Config:
    missing: bool = False
    """Only those that are not here."""


def read_systems():
    """A dict a system, in the order of the file."""
    return read_yaml(SYSTEMS.read_text())


def main():
    import pandas as pd

    config = parse(Config)
    rows = [
        {
            "system": system["name"],
            "tables": system["tables"],
            "here": system.get("here", "-"),
            "state": system["state"],
            "kerasfer train": system.get("train", "-"),
            "note": system.get("why", system.get("note", "")),
        }
        for system in read_systems()
        if not config.missing or system["state"] == "missing"
    ]
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
