"""Tables and lists as other programs write them: with a byte-order mark, CR LF, blank
lines, semicolons."""

import contextlib
import csv

_DELIMITERS = ",;\t"


@contextlib.contextmanager
def opened_table(path, delimiter=None, errors="strict", columns=()):
    """Gives a `csv.DictReader` whose column names are bare of blanks.

    Args:
        path: of a CSV in UTF-8, with or without a byte-order mark.
        delimiter: between columns; None is the one of comma, semicolon and tab that its
            first line has most of.
        errors: "replace" where a table may hold broken letters in columns that are not
            read.
        columns: names that it must have.

    Raises:
        ValueError: a table that is not UTF-8, or lacks a column or has it twice.
    """
    with path.open(newline="", encoding="utf-8-sig", errors=errors) as file:
        try:
            first = file.readline()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no table in UTF-8: {error}") from None
        file.seek(0)
        reader = csv.DictReader(file, delimiter=delimiter or _most(first))
        try:
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            _check_names(reader.fieldnames, columns, path)
            yield reader
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no table in UTF-8: {error}") from None
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}") from None


def lines_of(path):
    """The lines of a list, without the blank ones and the blanks around them.

    Raises:
        ValueError: a list that is not UTF-8.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no list in UTF-8: {error}") from None
    return [line.strip() for line in lines if line.strip()]


def _check_names(names, columns, path):
    if missing := [name for name in columns if name not in names]:
        raise ValueError(
            f"{path} has no column {', '.join(missing)}. Received: {', '.join(names)}."
        )
    if twice := {name for name in names if name and names.count(name) > 1}:
        raise ValueError(f"{path} has column {', '.join(sorted(twice))} twice.")


def _most(line):
    return max(_DELIMITERS, key=line.count)
