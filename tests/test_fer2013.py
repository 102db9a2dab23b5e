"""data_prep/fer2013.py, run as a user runs it."""

import csv
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from kerasfer.data import read_manifest
from kerasfer.data_prep import fer2013
from kerasfer.vision.images import EXPRESSIONS, cv2, read_image

SCRIPT = pathlib.Path(__file__).parent.parent / "data_prep/fer2013.py"
VOTES = [*EXPRESSIONS, "unknown", "NF"]


def run(*arguments):
    process = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True
    )
    return process.returncode, process.stdout + process.stderr


def rejected(out):
    return {
        row["path"]: row["reason"]
        for row in csv.DictReader((out / "rejected.csv").open())
    }


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, 48 * 48)


def write_rows(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def kaggle_csv(tmp_path):
    def line(seed, emotion=0, usage="Training"):
        return [emotion, " ".join(map(str, pixels(seed))), usage]

    return write_rows(
        tmp_path / "fer2013.csv",
        [
            ["emotion", "pixels", "Usage"],
            line(0),
            line(1, 6, "PublicTest"),
            line(2, 3, "PrivateTest"),
            [0, "1 2 3", "Training"],
            line(4, emotion=7),
            line(5, usage="Testing"),
            [0, " ".join(["256"] * 2304), "Training"],
            [0, " ".join(["x"] * 2304), "Training"],
            [0],
        ],
    )


def test_csv(kaggle_csv, tmp_path):
    code, output = run(kaggle_csv, tmp_path / "out")
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    names = [manifest.class_names[k] for k in manifest.labels]
    assert names == ["anger", "neutral", "happiness"]
    assert list(manifest.parts) == ["train", "validation", "test"]
    for row in range(3):
        np.testing.assert_array_equal(manifest.image(row, 1).ravel(), pixels(row))
    assert rejected(tmp_path / "out") == {
        "fer2013.csv, line 5": "3 pixels instead of 2304",
        "fer2013.csv, line 6": "unknown label '7'",
        "fer2013.csv, line 7": "unknown Usage 'Testing'",
        "fer2013.csv, line 8": "pixels outside 0..255",
        "fer2013.csv, line 9": "pixels that are not whole numbers",
        "fer2013.csv, line 10": "unknown Usage None",
    }
    assert "rejected: 6" in output


@pytest.mark.parametrize("pack", ["zip", "tar"])
def test_archives(kaggle_csv, tmp_path, pack):
    archive = tmp_path / f"fer.{pack}"
    if pack == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.write(kaggle_csv, "deep/fer2013.csv")
    else:
        with tarfile.open(archive, "w") as file:
            file.add(kaggle_csv, "deep/fer2013.csv")
    code, output = run(archive, tmp_path / "out")
    assert code == 0, output
    assert len(read_manifest(tmp_path / "out/manifest.csv")) == 3


def ferplus_rows(*votes, first="path"):
    return [["Usage", "Image name", *VOTES], *votes] if first != "path" else [
        ["path", *VOTES], *votes
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("votes", "majority", "plurality"),
    [
        ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], None, "neutral"),  # 4 of 9: no majority
        ([6, 0, 1, 1, 0, 0, 0, 0, 2, 0], "neutral", "neutral"),  # 6 of 8
        ([1, 1, 0, 0, 0, 0, 0, 1, 1, 1], None, "neutral"),  # single votes only
        ([0, 5, 5, 0, 0, 0, 0, 0, 0, 0], None, "happiness"),  # a tie: the first
        ([0, 0, 0, 0, 0, 0, 0, 0, 9, 1], None, None),
        ([0, 0, 0, 0, 0, 0, 0, 3, 0, 7], None, None),
        ([0, 0, 0, 0, 1, 1, 1, 7, 0, 0], "contempt", "contempt"),
    ],
)
def test_rules_of_ferplus(votes, majority, plurality):
    for rule, expected in (("majority", majority), ("plurality", plurality)):
        if expected is None:
            with pytest.raises(fer2013.Rejected):
                fer2013.vote(votes, rule)
        else:
            assert fer2013.vote(votes, rule) == expected


def test_ferplus_goes_row_by_row_with_the_csv(kaggle_csv, tmp_path):
    row = ["Training", "fer0.png", 0, 0, 0, 9, 0, 0, 0, 1, 0, 0]
    unnamed = ["Training", "", 0, 0, 0, 0, 0, 0, 0, 0, 0, 10]
    path = tmp_path / "fer2013new.csv"
    write_rows(path, ferplus_rows(row, unnamed, *[row] * 7, first="row"))
    code, output = run(kaggle_csv, tmp_path / "out", "--ferplus", path)
    assert code == 0, output
    assert read_manifest(tmp_path / "out/manifest.csv").class_names == ("sadness",)
    assert rejected(tmp_path / "out")["fer2013.csv, line 3"] == "FER+ names no image"
    write_rows(path, ferplus_rows(row, first="row"))
    code, output = run(kaggle_csv, tmp_path / "out2", "--ferplus", path)
    assert code == 1 and "Expected 9 rows. Received: 1" in output


@pytest.fixture
def image_release(tmp_path):
    folder = tmp_path / "release"
    for name in ("train/angry/a.png", "train/happy/b.png", "test/sad/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(
            str(folder / name), pixels(len(name)).reshape(48, 48).astype(np.uint8)
        )
    (folder / "train/angry/broken.png").write_bytes(b"\x89PNG not really")
    return folder


def test_image_release(image_release, tmp_path):
    code, output = run(image_release, tmp_path / "out")
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    found = dict(zip(manifest.names, manifest.labels, strict=True))
    names = {k: manifest.class_names[v] for k, v in found.items()}
    assert names == {
        "images/train/angry/a.png": "anger",
        "images/train/happy/b.png": "happiness",
        "images/test/sad/c.png": "sadness",
    }
    source = read_image(image_release / "train/angry/a.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "out/images/train/angry/a.png"), source
    )
    assert rejected(tmp_path / "out") == {
        "train/angry/broken.png": "no image that OpenCV reads"
    }


def test_votes_by_path_may_lie_in_the_archive(image_release, tmp_path):
    fear = [0, 0, 0, 0, 0, 0, 10, 0, 0, 0]
    nobody = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]
    write_rows(
        image_release / "votes.csv",
        ferplus_rows(["train/angry/a.png", *fear], ["test/sad/c.png", *nobody]),
    )
    archive = tmp_path / "release.tar"
    with tarfile.open(archive, "w") as file:
        file.add(image_release, "release")
    code, output = run(archive, tmp_path / "out", "--ferplus", "votes.csv")
    assert code == 0, output
    assert read_manifest(tmp_path / "out/manifest.csv").class_names == ("fear",)
    assert rejected(tmp_path / "out") == {
        "train/angry/broken.png": "no image that OpenCV reads",
        "train/happy/b.png": "no FER+ votes",
        "test/sad/c.png": "FER+ votes for NF",
    }


def test_errors_leave_nothing_behind(kaggle_csv, tmp_path):
    out = tmp_path / "out"
    useless = write_rows(
        tmp_path / "u.csv", [["emotion", "pixels", "Usage"], [9, 1, "x"]]
    )
    for source, error in [
        (tmp_path / "none.csv", "does not exist"),
        (SCRIPT, "neither a folder nor a .zip or .tar, nor a .csv file"),
        (useless, "No usable image"),
        (tmp_path / "empty", "no images in folders <split>/<class>"),
    ]:
        (tmp_path / "empty").mkdir(exist_ok=True)
        code, output = run(source, out)
        assert code == 1 and error in output.replace("\n", " "), output
        assert not out.exists()
    out.mkdir()
    (out / "precious").write_text("x")
    code, output = run(kaggle_csv, out)
    assert code == 1 and "exists. Choose another name" in output
    assert [p.name for p in out.iterdir()] == ["precious"]
    code, output = run(kaggle_csv, tmp_path / "x", "--ferplus", "none.csv")
    assert code == 1 and "none.csv does not exist" in output
