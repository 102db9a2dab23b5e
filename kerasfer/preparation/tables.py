"""Tables and lists as other programs write them: with a byte-order mark, CR LF, blank
lines, semicolons."""

import contextlib
import csv

_DELIMITERS = ",;\t"


@contextlib.contextmanager
def opened_table(path, delimiter=None, errors="strict"):
    """Gives a `csv.DictReader` whose column names are bare of blanks.

    Args:
        path: of a CSV in UTF-8, with or without a byte-order mark.
        delimiter: between columns; None is the one of comma, semicolon and tab that its
            first line has most of.
        errors: "replace" where a table may hold broken letters in columns that are not
            read.

    Raises:
        ValueError: a table that is not UTF-8.
    """
    with path.open(newline="", encoding="utf-8-sig", errors=errors) as file:
        try:
            first = file.readline()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no table in UTF-8: {error}") from None
        file.seek(0)
        reader = csv.DictReader(file, delimiter=delimiter or _most(first))
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        try:
            yield reader
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no table in UTF-8: {error}") from None


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


def _most(line):
    return max(_DELIMITERS, key=line.count)
