r"""EmotioNet to a manifest of action units, annotated or not.

    python data_prep/emotionet.py EmotioNet/ OUT
    python data_prep/emotionet.py EmotioNet/ OUT --units 1 2 4 5 6 9 12 17 20 25 26 43

Reads each .csv of the annotations (a header URL, 'AU 1', 'AU 2', ...) and each .txt of
the automatic ones (URL, original URL and sixty units, tabs between) with --automatic.
999 is "unknown" and becomes an empty cell. The images must have been fetched from those
addresses: they are found by the last two parts of their address, or by its last. Images
that no table names are unlabelled with --unlabeled. The data set has no test set: the
column split is empty, and a protocol draws one.
"""

import collections
import dataclasses
import re

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face, Rejected
from kerasfer.preparation.importing.source import images_below
from kerasfer.preparation.tables import opened_table
from kerasfer.vision.files import visible

_UNKNOWN = "999"
_NUM_UNITS = 60


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    units: tuple[int, ...] = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43)
    """Action units to keep: those of the large-margin paper's table."""
    automatic: bool = False
    """Also the annotations that a program made."""
    unlabeled: bool = False
    """Also the images that no table names, as unlabelled ones."""


class EmotioNet:
    """The tables of annotations, and the images that were fetched."""

    def __init__(self, config):
        self.names = tuple(f"AU{unit}" for unit in config.units)
        self.config = config

    def faces(self, folder):
        """A `Face` for each row of a table, and for images that no table names."""
        images = _by_tail(folder)
        named = set()
        tables = self._tables(folder)
        self._check_units(tables)
        for table in tables:
            for address, units in _rows(table):
                try:
                    name = _found(images, address)
                    if name in named:
                        raise Rejected(f"annotated before {table.name}")
                    named.add(name)
                    values = {unit: _cell(units.get(unit), unit) for unit in self.names}
                except Rejected as reason:
                    yield address, str(reason)
                    continue
                yield Face(name, "", "", attributes=values, called=address)
        if self.config.unlabeled:
            for name, reason in images_below(folder):
                if name not in named:
                    yield (name, reason) if reason else Face(name, "", "")

    def _check_units(self, tables):
        known = {unit for table in tables for unit in _header(table)}
        missing = [name for name in self.names if name not in known]
        if missing:
            units = sorted(
                int(unit[2:]) for unit in known if re.fullmatch(r"AU\d+", unit)
            )
            raise ValueError(
                f"No table has a column of {', '.join(missing)}. Expected --units "
                f"among {' '.join(map(str, units))}."
            )

    def _tables(self, folder):
        tables = sorted(visible(folder.rglob("*.csv"), folder))
        if self.config.automatic:
            tables += sorted(visible(folder.rglob("*.txt"), folder))
        if not tables:
            raise FileNotFoundError(
                f"{folder} holds no table: expected EmotioNet_FACS_aws_2020_24600.csv "
                "or another one with the columns URL, 'AU 1', ..."
            )
        return tables


def _by_tail(folder):
    """Last part, and last two parts of a path -> the images of that name."""
    images = collections.defaultdict(list)
    for name in (name for name, reason in images_below(folder) if not reason):
        parts = (folder / name).parts
        for tail in (parts[-1], "/".join(parts[-2:])):
            images[tail].append(name)
    return images


def _found(images, address):
    """The image that was fetched from an address."""
    parts = address.split("/")
    for tail in ("/".join(parts[-2:]), parts[-1]):
        names = images.get(tail, [])
        if len(names) == 1:
            return names[0]
        if names:
            raise Rejected(f"{len(names)} images are called {tail}")
    raise Rejected("its file is not there")


def _header(table):
    """Names of a table's columns; none of a table of something else."""
    if table.suffix == ".txt":
        return ["URL", "URL orig", *(f"AU{k + 1}" for k in range(_NUM_UNITS))]
    with opened_table(table, ",") as rows:
        header = [_bare(name) for name in rows.fieldnames]
    return header if "URL" in header else []


def _rows(table):
    """(address, name of a unit -> cell) for each row."""
    header = _header(table)
    for row in _cells(table) if header else ():
        cells = dict(zip(header, map(str.strip, row), strict=False))
        if cells.get("URL"):
            yield cells["URL"].strip("'\""), cells


def _cells(table):
    """The texts of each row."""
    if table.suffix == ".txt":
        # A broken letter is an address without an image, which gets its row.
        with table.open(encoding="utf-8-sig", errors="replace") as lines:
            yield from (line.rstrip("\n").split("\t") for line in lines)
        return
    with opened_table(table, ",") as rows:
        for row in rows:
            yield [row[name] or "" for name in rows.fieldnames]


def _bare(cell):
    """'AU 12' and AU012 -> AU12."""
    text = cell.strip().strip("'\"")
    unit = re.fullmatch(r"AU\s*0*(\d+)", text)
    return f"AU{unit.group(1)}" if unit else text


def _cell(text, unit):
    text = (text or "").removesuffix(".0")
    if text in ("", _UNKNOWN, "nan"):
        return ""
    if text not in ("0", "1"):
        raise Rejected(f"{unit} is {text}: neither 0, 1 nor {_UNKNOWN}")
    return text


def data_set(config):
    emotionet = EmotioNet(config)
    return DataSet(
        name="EmotioNet",
        request="Ask its authors (cbcsl.ece.ohio-state.edu), and fetch the images.",
        notice=(
            "EmotioNet: for research only, by an agreement with its authors, images of "
            "third parties; not to be passed on, and papers must cite "
            "Benitez-Quiroz et al., CVPR 2016."
        ),
        faces=emotionet.faces,
        labels={"": ""},
        attributes=emotionet.names,
    )


def main():
    program.main(Config, data_set, __doc__)


if __name__ == "__main__":
    main()
