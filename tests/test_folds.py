"""Protocols in which every subject is tested once."""

import dataclasses

import numpy as np
import pytest
from support.toys import random_faces

from kerasfer.data import folds, protocols

SUBJECTS = [f"s{i % 7}" for i in range(60)]
FACES = random_faces(60, subjects=SUBJECTS)


@pytest.mark.parametrize(
    ("spec", "count"), [("folds:k=3", 3), ("leave_one_subject_out", 7)]
)
def test_every_face_is_tested_once_and_by_strangers(spec, count):
    specs = folds(FACES, spec)
    assert len(specs) == count
    tested = []
    for fold in specs:
        split = protocols.split(FACES, fold, seed=0)
        tested += [*split.test.names]
        parts = [set(p.subjects) for p in (split.labeled, split.validation, split.test)]
        assert not parts[0] & parts[2] and not parts[1] & parts[2]
        assert not parts[0] & parts[1]
        assert len(split.labeled) + len(split.validation) + len(split.test) == 60
        assert len(parts[1]) == 1  # a tenth would be less than a subject's faces
        assert len(split.unlabeled) == 0
    assert sorted(tested) == sorted(FACES.names)


def test_folds_are_of_nearly_equal_numbers_of_subjects():
    sizes = [
        len(set(protocols.split(FACES, fold, seed=0).test.subjects))
        for fold in folds(FACES, "folds:k=3")
    ]
    assert sorted(sizes) == [2, 2, 3]


def test_an_unlabelled_face_of_a_tested_subject_is_left_out():
    labels = FACES.labels.copy()
    labels[::2] = -1
    faces = dataclasses.replace(FACES, labels=labels)
    split = protocols.split(faces, "leave_one_subject_out:fold=2", seed=0)
    assert set(split.test.subjects) == {"s2"}
    assert "s2" not in set(split.unlabeled.subjects) and len(split.unlabeled)
    assert (split.test.labels >= 0).all()


def test_whatever_the_manifest_called_test_is_dealt_out_too():
    faces = dataclasses.replace(FACES, parts=np.array(["test"] * 30 + ["train"] * 30))
    splits = [protocols.split(faces, f, 0) for f in folds(faces, "folds:k=2")]
    assert sum(len(split.test) for split in splits) == 60


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("folds:k=1", "N of at least 2"),
        ("folds:n=3", "Received: folds:n=3"),
        ("folds:k=8", "8 folds need as many subjects. Received: 7"),
        ("leave_one_subject_out:k=3", "Received: leave_one_subject_out:k=3"),
    ],
)
def test_what_cannot_be_folded(spec, message):
    with pytest.raises(ValueError, match=message):
        folds(FACES, spec)


def test_one_fold_must_be_named_and_subjects_known():
    with pytest.raises(ValueError, match="Expected fold=0 to fold=2.*'folds:k=3'"):
        protocols.split(FACES, "folds:k=3", seed=0)
    with pytest.raises(ValueError, match="expected a column `subject`"):
        folds(random_faces(6), "folds:k=2")
