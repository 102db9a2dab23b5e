"""Faces decoded once: the same batches, whatever keeps them."""

import os
import pickle

import numpy as np
import pytest
from support.recipe_runs import imported, parsed, run, write_noise
from support.toys import random_faces

from kerasfer.data import (
    concatenate,
    decode_once,
    decoded,
    from_arrays,
    read_manifest,
    training_dataset,
)
from kerasfer.data.batches import TrainingBatches
from kerasfer.data.workers import Workers
from kerasfer.experiments.data import split
from kerasfer.experiments.runs import is_claimed
from kerasfer.vision.images import cv2


@pytest.fixture(params=["memory", "disk"])
def folder(request, tmp_path):
    return None if request.param == "memory" else tmp_path / "decoded"


@pytest.fixture
def faces(manifest):
    return read_manifest(manifest)


def test_batches_are_the_same_to_the_bit(faces, folder):
    views = ("weak", "strong", "index")
    labeled, unlabeled = np.arange(40), np.arange(40, 150)
    kept = decode_once(faces, folder)

    def batches(faces):
        parts = faces.subset(labeled), faces.subset(unlabeled)
        return training_dataset(*parts, views=views, batch_size=8).take(12)

    for plain, cached in zip(batches(faces), batches(kept), strict=True):
        np.testing.assert_array_equal(plain[1], cached[1])
        for name in ("image", *views):
            np.testing.assert_array_equal(plain[0][name], cached[0][name])


def test_files_are_not_read_again(manifest, folder, tmp_path, monkeypatch):
    faces = read_manifest(write_noise(tmp_path))
    kept = decode_once(faces, folder)
    images = [faces.image(row) for row in range(5)]
    for row in range(5):
        os.remove(faces.path(row))
    for row in range(5):
        np.testing.assert_array_equal(kept.image(row), images[row])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        kept.image(0, channels=1)  # grey is decoded anew: it is not the mean of colours


def test_what_a_view_does_to_an_image_stays_its_own(faces, folder):
    kept = decode_once(faces, folder)
    before = kept.image(3)
    kept.image(3)[:] = 0
    np.testing.assert_array_equal(kept.image(3), before)


def test_subsets_and_unions_find_their_images(faces, folder):
    kept = decode_once(faces, folder)
    some = kept.subset(np.array([7, 2])).subset(np.array([False, True]))
    both = concatenate(some, kept.subset(np.arange(4)))
    expected = [faces.image(row) for row in (2, 0, 1, 2, 3)]
    assert both.decoded is not None
    for row, image in enumerate(expected):
        np.testing.assert_array_equal(both.image(row), image)
    assert concatenate(some, faces).decoded is None
    np.testing.assert_array_equal(concatenate(some, faces).image(1), faces.image(0))


def test_a_row_outside_is_an_error(faces, folder):
    with pytest.raises(IndexError):
        decode_once(faces, folder).image(150)


def test_processes_map_the_file(faces, tmp_path):
    kept = decode_once(faces, tmp_path)
    # 150 images of 16 x 16 x 3 would be 115,200 bytes.
    assert len(pickle.dumps(kept.decoded)) < 3000
    batches = TrainingBatches(kept, None, (), 8, 1, 0, (16, 16, 3), 0.75, 0.1)
    workers = Workers(batches, count=1)
    try:
        np.testing.assert_array_equal(workers(2)["image"], batches(2)["image"])
    finally:
        workers.close()


def test_a_file_is_shared_until_an_image_changes(tmp_path):
    faces = read_manifest(write_noise(tmp_path))
    folder = tmp_path / "decoded"
    decode_once(faces, folder)
    (first,) = folder.iterdir()
    written = first.stat().st_mtime_ns
    decode_once(faces, folder)
    assert [*folder.iterdir()] == [first] and first.stat().st_mtime_ns == written
    cv2.imwrite(str(faces.path(5)), np.full((16, 16, 3), 9, np.uint8))
    os.utime(faces.path(5), ns=(1, 1))
    changed = decode_once(faces, folder)
    assert len([*folder.iterdir()]) == 2
    np.testing.assert_array_equal(changed.image(5), 9)


def test_an_interruption_leaves_no_file(faces, tmp_path, monkeypatch):
    def killed(images, manifest):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoded, "_decode_into", killed)
    with pytest.raises(KeyboardInterrupt):
        decode_once(faces, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_images_of_two_sizes_are_named(tmp_path, folder):
    path = write_noise(tmp_path)
    cv2.imwrite(str(tmp_path / "3.png"), np.zeros((20, 18, 3), np.uint8))
    expected = r"0\.png of \(16, 16\) and 3\.png of \(20, 18\).*Align"
    with pytest.raises(ValueError, match=expected):
        decode_once(read_manifest(path), folder)


def test_images_in_memory_stay_as_they_are(folder):
    faces = random_faces(10)
    assert decode_once(faces, folder) is faces
    empty = from_arrays(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, int), ["a"])
    assert decode_once(empty, folder) is empty


def test_more_than_the_machine_has_is_refused_at_once(faces, monkeypatch):
    monkeypatch.setattr(decoded, "machine_memory", lambda: 10000)
    with pytest.raises(MemoryError, match=r"take 0\.0 GB.*--cache disk"):
        decode_once(faces)


def test_a_run_does_not_hang_on_it(manifest):
    recipe = imported("margin_mix")
    plain = parsed(recipe, "--manifest", manifest)
    cached = parsed(recipe, "--manifest", manifest, "--cache", "memory")
    settings = recipe.RECIPE.settings
    assert settings(plain, "margin_mix") == settings(cached, "margin_mix")


def test_a_run_with_it_has_the_same_scores(manifest, tmp_path):
    common = ["--config", manifest.parent / "quick.yaml", "--manifest", manifest]
    common += ["--no-report", "--epochs", 1]
    folder = tmp_path / "decoded"
    cache = ["--cache", "disk", "--cache-folder", folder]
    for name, flags in {"plain": [], "cached": cache}.items():
        code, output = run(*common, *flags, "--out", tmp_path / name)
        assert code == 0, output
    scores = [
        sorted(path.read_bytes() for path in (tmp_path / name).rglob("predictions*"))
        for name in ("plain", "cached")
    ]
    assert scores[0] and scores[0] == scores[1]
    assert len([*folder.glob("*.npy")]) == 1


def test_of_runs_that_begin_together_one_decodes(manifest, tmp_path, monkeypatch):
    folder = tmp_path / "decoded"
    folder.mkdir()
    left = folder / ".writing-1-of_a_killed_run.npy"
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    being_written = folder / ".writing-2-by_another_program.npy"
    being_written.write_bytes(b"half")
    flags = ["--manifest", manifest, "--cache", "disk", "--cache-folder", folder]
    faces = parsed(
        imported("margin_mix"), *flags, "--protocol", "random:labels=9"
    ).faces
    decode_into, claims = decoded._decode_into, []

    def watched(images, manifest):
        claims.append(is_claimed(folder / "faces"))
        assert not left.exists()
        decode_into(images, manifest)

    monkeypatch.setattr(decoded, "_decode_into", watched)
    split(faces, read_manifest(manifest), 0)
    split(faces, read_manifest(manifest), 0)
    assert claims == [True] and not is_claimed(folder / "faces")
    assert being_written.exists()
