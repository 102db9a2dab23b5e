"""Labels as people write them."""

import logging

import numpy as np
import pytest

from kerasfer.data import read_manifest
from kerasfer.data.label_words import unified


def read(tmp_path, *labels, **options):
    path = tmp_path / "manifest.csv"
    rows = [f'{k}.png,"{label}"' for k, label in enumerate(labels)]
    path.write_text("\n".join(["path,label", *rows]) + "\n")
    return read_manifest(path, **options)


@pytest.mark.parametrize("word", ["NaN", "nan", "None", "NA", "N/A", "null", " NULL "])
def test_null_words_are_no_label_and_are_said(word, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        faces = read(tmp_path, "anger", word, "fear", "")
    assert faces.class_names == ("anger", "fear")
    np.testing.assert_array_equal(faces.labels, [0, -1, 1, -1])
    assert f"label {word.strip()!r} is no label" in caplog.text


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["Happiness", "happiness ", "HAPPINESS"], ("happiness",)),
        (["Pain", "pain", " PAIN"], ("Pain",)),
        (["anger", "Anger", "fear"], ("anger", "fear")),
    ],
)
def test_spellings_of_one_class_are_one_class_and_are_said(
    labels, classes, tmp_path, caplog
):
    with caplog.at_level(logging.WARNING):
        faces = read(tmp_path, *labels)
    assert faces.class_names == classes
    assert f"is class {classes[0]!r}" in caplog.text


def test_given_classes_win(tmp_path):
    faces = read(tmp_path, "HAPPY", "none", "sad", class_names=["Happy", "Sad", "None"])
    assert faces.class_names == ("Happy", "Sad", "None")
    np.testing.assert_array_equal(faces.labels, [0, 2, 1])


@pytest.mark.parametrize(
    ("word", "name"), [("happy", "happiness"), ("Angry", "anger"), ("sad", "sadness")]
)
def test_synonyms_are_offered_and_kept(word, name, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        faces = read(tmp_path, word, "neutral")
    assert word in faces.class_names
    assert f"{word!r} is a class of its own; FER+ calls it {name!r}" in caplog.text


def test_clean_labels_say_nothing(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read(tmp_path, "anger", "fear", "", "-1", "pain")
        read(tmp_path, "0", "1", "2")
    assert not caplog.text


def test_numbers_stay_numbers():
    assert unified(["0", "10", "-1"]) == (["0", "10", ""], [])


def test_a_label_outside_the_classes_is_shown_as_written(tmp_path):
    with pytest.raises(ValueError, match=r"line 3: label ' Pain' is outside"):
        read(tmp_path, "anger", " Pain", class_names=["anger"])
