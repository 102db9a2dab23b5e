r"""Any table of images to a manifest; also a manifest to TFRecord shards.

    python data_prep/from_csv.py labels.csv OUT --path image --label emotion
    python data_prep/from_csv.py faces/manifest.csv PACKED --output tfrecord

Paths start at the table's folder, or at --root (give --root / for absolute ones).
Every other column is kept. The licence notice and the crop.json beside the table go
with it.
"""

import dataclasses
import pathlib

from kerasfer.data.cells import intensity, is_action_unit, part
from kerasfer.data.licences import licence_notes
from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.tables import opened_table


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    path: str = "path"
    """Column of the images' paths."""
    label: str = "label"
    """Column of their labels; may be missing."""
    split: str = "split"
    """Column of train, unlabeled, validation, test; may be missing."""
    subject: str = "subject"
    """Column of who it is; may be missing."""
    root: pathlib.Path | None = None
    """Folder that paths start at; None is the table's."""
    delimiter: str | None = None
    """Between the columns; None is the one of comma, semicolon and tab that there are
    most of."""


class Table:
    """A table of images.

    Args:
        config: `Config`.

    Raises:
        FileNotFoundError, ValueError: no such file, or no such column.
    """

    def __init__(self, config):
        self.config = config
        if not config.source.is_file():
            raise FileNotFoundError(f"{config.source} is not there, or is no file.")
        needed = (config.path,)
        with opened_table(config.source, config.delimiter, columns=needed) as rows:
            self.columns = rows.fieldnames
        used = (config.path, config.label, config.split, config.subject)
        self.others = [c for c in self.columns if c not in {*used, *program.COLUMNS}]
        self.root = config.root or config.source.parent

    def faces(self, _):
        """A `Face` for each row."""
        config = self.config
        with opened_table(config.source, config.delimiter) as rows:
            for row in rows:
                name = self._below_root(row[config.path] or "")
                if None in row or None in row.values():
                    yield name, f"its row has not {len(self.columns)} columns"
                    continue
                try:
                    self._check(row)
                except ValueError as error:
                    where = f"{config.source}, line {rows.line_num}"
                    raise ValueError(f"{where}: {error}") from None
                yield Face(
                    name,
                    row.get(config.label, ""),
                    row.get(config.split, ""),
                    row.get(config.subject, ""),
                    {column: row[column] for column in self.others},
                )

    def _check(self, row):
        """As `read_manifest` will.

        Raises:
            ValueError: an unknown part, or no intensity of an action unit.
        """
        if split := row.get(self.config.split):
            part(split)
        for unit in filter(is_action_unit, self.others):
            intensity(row[unit], unit)

    def _below_root(self, name):
        path = pathlib.Path(name)
        if path.is_absolute() and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return name


def data_set(config):
    table = Table(config)
    notes = licence_notes(config.source)
    return DataSet(
        name="images of a table",
        request="",
        notice="\n".join(notes) or f"Images of {config.source.name}: no licence given",
        faces=table.faces,
        attributes=tuple(table.others),
        images=table.root,
        carried=(config.source.with_name("crop.json"),),
        file_endings=(config.source.suffix.lower(),),
        tested_on="made-up tables",
    )


def main():
    program.main(Config, data_set, __doc__)


if __name__ == "__main__":
    main()
