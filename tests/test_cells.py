"""Cells of a manifest, read by importers and by `read_manifest` alike."""

import math

import pytest

from kerasfer.data import read_manifest
from kerasfer.data.cells import PARTS, intensity, is_action_unit, part


@pytest.mark.parametrize("word", ["Val", " validation", "VALIDATION "])
def test_words_of_a_part(word):
    assert part(word) == "validation" and set(PARTS.values()) == {
        "train", "unlabeled", "validation", "test",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["valid", "Training", "0", "", "train,test"])
def test_other_words_are_no_part(word):
    with pytest.raises(ValueError, match=r"expected split train.*Received: '"):
        part(word)


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("1.0", 1), ("", -1), ("-1", -1), ("3e-1", 0.3)]
)
def test_intensities(text, value):
    assert math.isclose(intensity(text, "AU1"), value)


@pytest.mark.parametrize(
    "text", ["999", "5", "-0.1", "nan", "inf", "x", "0,5", "1e400"]
)
def test_no_intensities(text):
    with pytest.raises(ValueError, match=r"expected AU1 in \[0, 1\].*Received: '"):
        intensity(text, "AU1")


def test_names_of_action_units():
    assert is_action_unit("AU12") and not is_action_unit("AU") and not (
        is_action_unit("xAU1") or is_action_unit("AU1c")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ("a,train,0.5\nb,Training,1\n", "line 3: expected split train.*'Training'"),
        ("a,train,0.5\nb,val,999\n", r"line 3: expected AU4 in \[0, 1\].*'999'"),
        ("a,valid,0.5\n", "line 2: expected split.*'valid'"),
        ("a,,0.5\nb,,\nc,,-2\n", r"line 4: expected AU4.*'-2'"),
    ],
)
def test_the_first_row_that_is_wrong_is_named(rows, error, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("path,split,AU4\n" + rows)
    with pytest.raises(ValueError, match=error):
        read_manifest(path)
