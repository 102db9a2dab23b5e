"""Reading the CSV of a manifest: ten rows, or ten million."""

import csv
import logging
import pathlib
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from kerasfer.data.cells import PARTS, intensity, is_action_unit, part
from kerasfer.data.label_words import unified
from kerasfer.data.manifest import Manifest
from kerasfer.data.records import close_shards
from kerasfer.types import PathLike
from kerasfer.vision.images import EXPRESSIONS

_LOG = logging.getLogger(__name__)
_FEW_VALUES = pa.dictionary(pa.int32(), pa.string())  # stored as numbers of values


def read_manifest(path: PathLike, class_names: Sequence[str] | None = None) -> Manifest:
    """Reads a manifest CSV.

    Columns: `path` (relative ones start at the CSV's folder); `label`, a class name or
    a class index from 0, empty or -1 for an unlabelled face (words such as NaN and None
    are no label either, spellings in other letters one class, with a warning);
    optionally `subject`,
    `split` (train, unlabeled, validation or val, test) and action units `AU1`, `AU12`,
    ... in [0, 1], empty or -1 where not annotated. A column that is empty throughout
    is as if it were missing; other columns are ignored. `label`
    may be missing if there are action units, or if no image is labelled. A path may
    point into a TFRecord shard (`kerasfer.data.records`). Ten million rows take about
    5 seconds on two cores, and less than 2 GB of memory.

    Args:
        path: of the CSV.
        class_names: names of the classes in the order of their indices. None takes, for
            labels by name, the order of `kerasfer.vision.images.EXPRESSIONS` where all
            are among them (leaving out those that do not occur), else the alphabetical
            one; for labels by number "0", "1", ... up to the largest.

    Returns:
        a `Manifest`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no rows, a column missing, a path twice, a label outside the
            classes, an unknown split, an action unit outside [0, 1]; with the line it
            stands in.

    >>> manifest = read_manifest("faces/manifest.csv")  # doctest: +SKIP
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"Manifest {path} does not exist. Make one by `kerasfer prepare`, e.g. "
            "`kerasfer prepare from_folder FACES OUT --layout class`, or write a CSV "
            "with the columns path,label."
        )
    close_shards()  # they may have been packed anew
    table = _read_table(path)
    names = pd.arrays.ArrowStringArray(table["path"])
    _check_names(names, path)
    au_names = tuple(c for c in table.column_names if is_action_unit(c))
    labels, class_names = _labels(table, class_names, path)
    return Manifest(
        names=names,
        labels=labels,
        class_names=tuple(class_names),
        action_units=_action_units(table, au_names, path),
        au_names=au_names,
        subjects=_subjects(table, names),
        parts=_parts(table, path),
        root=path.parent,
    )


def _read_table(path):
    """The columns that are used: the path as a text, all others as few values."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
        if "path" not in header:
            raise ValueError(
                f"Manifest {path} has no column `path`. Expected columns: path, label. "
                f"Received: {', '.join(header)}."
            )
        used = {"label", "split", "subject", *filter(is_action_unit, header)}
        few = [column for column in header if column in used]
        if twice := {c for c in (*few, "path") if header.count(c) > 1}:
            raise ValueError(f"Manifest {path} has column {', '.join(twice)} twice.")
        table = pa.csv.read_csv(
            path,
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                include_columns=["path", *few],
                column_types={"path": pa.large_string()}
                | dict.fromkeys(few, _FEW_VALUES),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"Manifest {path} is not a CSV in UTF-8: {error}") from error
    if not table.num_rows:
        raise ValueError(f"Manifest {path} has no rows below its header.")
    return table.unify_dictionaries()


def _line(path, row):
    return f"{path}, line {row + 2}"  # one for the header, one to count from 1


def _check_names(names, path):
    texts = names.__arrow_array__()
    empty = pa.compute.index(texts, "").as_py()
    if empty >= 0:
        raise ValueError(f"{_line(path, empty)}: empty path.")
    # Hashes first: a set of ten million texts does not fit into the memory allowed.
    hashes = np.concatenate(
        [
            np.fromiter(map(hash, chunk.to_pylist()), np.int64, len(chunk))
            for chunk in texts.iterchunks()
        ]
    )
    ordered = np.sort(hashes)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    seen = set()
    for row in np.flatnonzero(np.isin(hashes, repeated)) if len(repeated) else ():
        if names[row] in seen:
            raise ValueError(f"{_line(path, row)}: path {names[row]!r} twice.")
        seen.add(names[row])


def _coded(table, name):
    """A column of few values: for each row the number of its value, and the values."""
    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    codes = column.indices.to_numpy(zero_copy_only=False)
    return codes, column.dictionary.to_pylist()


def _labels(table, class_names, path):
    if "label" not in table.column_names:
        if class_names is None:
            return np.full(len(table), -1, np.int32), ()
        raise ValueError(
            f"Manifest {path} has no column `label`. Expected columns: path, label. "
            f"Received: {', '.join(table.column_names)}."
        )
    codes, written = _coded(table, "label")
    texts, notes = unified(written, class_names)
    for note in notes:
        _LOG.warning("%s: label %s.", path, note)
    known = [text for text in texts if text]
    by_number = bool(known) and all(re.fullmatch(r"\d+", text) for text in known)
    if class_names is None:
        class_names = _default_classes(known, by_number)
    class_names = tuple(str(name) for name in class_names)
    index = {name: i for i, name in enumerate(class_names)}
    if by_number and not set(known) <= set(index):
        index = {str(i): i for i in range(len(class_names))}
    if unknown := set(known) - set(index):
        row = _first(codes, texts, unknown)
        raise ValueError(
            f"{_line(path, row)}: label {written[codes[row]]!r} is outside the "
            "classes. "
            f"Expected one of {', '.join(class_names)}"
            + (f", or an index below {len(class_names)}." if by_number else ".")
        )
    return np.array([index.get(t, -1) for t in texts], np.int32)[codes], class_names


def _first(codes, texts, wrong):
    """The first row whose value is one of the wrong ones."""
    return int(
        np.argmax(np.isin(codes, [k for k, t in enumerate(texts) if t in wrong]))
    )


def _default_classes(written, by_number):
    if by_number:
        return range(max(map(int, written)) + 1)
    present = set(written)
    if present <= set(EXPRESSIONS):
        return [name for name in EXPRESSIONS if name in present]
    return sorted(present)


def _action_units(table, au_names, path):
    units = np.empty((len(table), len(au_names)), np.float32)
    for column, name in enumerate(au_names):
        codes, texts = _coded(table, name)
        values = _read_cells(
            codes, texts, path, lambda text, n=name: intensity(text, n)
        )
        units[:, column] = np.array(values, np.float32)[codes]
    return units


def _read_cells(codes, texts, path, read):
    """What `read` makes of each text; the first row of the table that it refuses is
    named."""
    values, errors = [], {}
    for text in texts:
        try:
            values.append(read(text))
        except ValueError as error:
            errors[text] = error
    if errors:
        row = _first(codes, texts, errors)
        raise ValueError(f"{_line(path, row)}: {errors[texts[codes[row]]]}")
    return values


def _subjects(table, names):
    if "subject" not in table.column_names:
        return None
    codes, texts = _coded(table, "subject")
    if texts == [""]:
        return None
    if "" not in texts:
        return pd.Categorical.from_codes(codes, texts)
    # An unknown identity is nobody else's: the image's own name stands in for it.
    subjects = np.array(texts, object)[codes]
    return np.where(subjects == "", names, subjects)


def _parts(table, path):
    if "split" not in table.column_names:
        return None
    codes, texts = _coded(table, "split")
    if texts == [""]:
        return None
    known = _read_cells(codes, texts, path, part)
    parts = [*dict.fromkeys(PARTS.values())]
    numbers = np.array([parts.index(name) for name in known], np.int8)[codes]
    return pd.Categorical.from_codes(numbers, parts)
