"""Tables that grow by rows while a model trains."""

import csv
import pathlib
from collections.abc import Sequence
from typing import Any


def append_rows(path: pathlib.Path, columns: Sequence[str], rows: Any) -> None:
    """Appends rows to a CSV, below the names of its columns if the file is new."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(columns)
        writer.writerows(rows)
