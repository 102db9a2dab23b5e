"""Importers of data sets, on made-up files of their exact layouts."""

import tarfile
import zipfile

import numpy as np
import pytest
from support.importer_runs import rows, run, save

from kerasfer.data import read_manifest

# --- RAF-DB ---

RAFDB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")


@pytest.fixture
def rafdb(tmp_path):
    """Two faces of each class for training and one for the test, as RAF-DB has them."""
    root, lines = tmp_path / "RAF-DB/basic", []
    for part, count in (("train", 14), ("test", 7)):
        for i in range(count):
            stem = f"{part}_{i + 1:05d}"
            lines.append(f"{stem}.jpg {i % 7 + 1}")
            save(root / f"Image/aligned/{stem}_aligned.jpg")
            save(root / f"Image/original/{stem}.jpg")
            landmarks = "\n".join(f"{x}.5\t{x}.25" for x in range(5))
            path = root / f"Annotation/manual/{stem}_manu_attri.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{landmarks}\n{i % 3}\n{i % 3}\n{i % 5}\n")
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "RAF-DB"


def test_rafdb(rafdb, tmp_path):
    out = tmp_path / "out"
    code, output = run("rafdb", rafdb, out)
    assert code == 0, output
    found = rows(out / "manifest.csv")
    assert len(found) == 21 and rows(out / "rejected.csv") == []
    for number, row in enumerate(found[:14]):
        assert row["label"] == RAFDB[number % 7]
        assert row["original_label"] == str(number % 7 + 1)
        assert row["split"] == "train" and row["path"].endswith("_aligned.jpg")
        assert row["gender"] == ("male", "female", "unsure")[number % 3]
        assert row["race"] == ("Caucasian", "African-American", "Asian")[number % 3]
        assert row["age"] == ("0-3", "4-19", "20-39", "40-69", "70+")[number % 5]
    assert "train surprise: 2 instead of 1290" in output
    assert "research only" in (out / "LICENCE_NOTICE.txt").read_text()
    assert "never on the real ones" in output
    manifest = read_manifest(out / "manifest.csv")
    assert manifest.class_names[0] == "neutral" and len(manifest.class_names) == 7
    assert manifest.image(0).shape == (12, 10, 3)


def test_rafdb_original_and_what_is_wrong(rafdb, tmp_path):
    listed = rafdb / "basic/EmoLabel/list_patition_label.txt"
    listed.write_text(
        listed.read_text() + "train_9.jpg 1\ntrain_00001x 8\nother.jpg 1\n"
    )
    (rafdb / "basic/Annotation/manual/train_00001_manu_attri.txt").unlink()
    code, output = run("rafdb", rafdb, tmp_path / "out", "--original")
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    assert all("/original/" in row["path"] for row in found) and len(found) == 21
    assert found[0]["gender"] == "" and found[1]["gender"] == "female"
    reasons = [row["reason"] for row in rows(tmp_path / "out/rejected.csv")]
    assert reasons == [
        "its file is not there",
        "unknown label '8'",
        "its name begins with neither train_ nor test_",
    ]


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_is_unpacked_beside_the_manifest(rafdb, tmp_path, kind):
    archive = tmp_path / f"basic.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in rafdb.rglob("*"):
                file.write(path, path.relative_to(rafdb))
    else:
        with tarfile.open(archive, "w:gz") as file:
            file.add(rafdb, ".")
    code, output = run("rafdb", archive, tmp_path / "out")
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert len(manifest) == 21 and manifest.names[0].startswith("files/")
    assert manifest.image(20).shape == (12, 10, 3)


def test_an_archive_that_leaves_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../../evil.txt", "x")
    code, output = run("rafdb", tmp_path / "evil.zip", tmp_path / "out")
    assert code == 1 and "leaves the folder" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.zip"]


# --- AffectNet ---

AFFECTNET = (
    "neutral",
    "happiness",
    "sadness",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
)


def test_affectnet_of_2017(tmp_path):
    root = tmp_path / "AffectNet"
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,"
    header += "facial_landmarks,expression,valence,arousal\n"
    for name, count in (("training", 11), ("validation", 8)):
        lines = [
            f"{i}/{name}{i}.jpg,0,0,9,9,1.0;2.0,{i},0.1,-0.2\n" for i in range(count)
        ]
        root.mkdir(exist_ok=True)
        (root / f"{name}.csv").write_text(header + "".join(lines))
        for i in range(count):
            save(root / f"Manually_Annotated_Images/{i}/{name}{i}.jpg")
    code, output = run("affectnet", root, tmp_path / "out")
    assert code == 0 and "No reference for the totals" in output, output
    found = rows(tmp_path / "out/manifest.csv")
    assert [row["label"] for row in found] == [*AFFECTNET, *AFFECTNET]
    assert [row["split"] for row in found] == ["train"] * 8 + ["test"] * 8
    reasons = [row["reason"] for row in rows(tmp_path / "out/rejected.csv")]
    assert reasons == [f"label {k} is no class" for k in (8, 9, 10)]


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ("path,expression\nx.jpg,1\n", "has no column subDirectory_filePath"),
        ("subDirectory_filePath,expression\n1.jpg\n", "its row is too short"),
        ("subDirectory_filePath,expression\n1.jpg,\n", "unknown label ''"),
    ],
)
def test_affectnets_tables_that_are_cut(table, error, tmp_path):
    for name in ("training", "validation"):
        (tmp_path / f"in/{name}.csv").parent.mkdir(exist_ok=True)
        (tmp_path / f"in/{name}.csv").write_text(table)
    save(tmp_path / "in/Manually_Annotated_Images/1.jpg")
    code, output = run("affectnet", tmp_path / "in", tmp_path / "out")
    assert code == 1 and error in output and "Traceback" not in output, output


def test_affectnet_of_2021(tmp_path):
    root = tmp_path / "AffectNet"
    for part in ("train_set", "val_set"):
        (root / part / "annotations").mkdir(parents=True)
        for i in range(8):
            save(root / part / f"images/{i}.jpg")
            # As text in one part, as a number in the other.
            label = np.array(str(i)) if part == "val_set" else np.array(i)
            np.save(root / part / f"annotations/{i}_exp.npy", label)
            np.save(root / part / f"annotations/{i}_val.npy", np.array("0.5"))
    pickled = root / "train_set/annotations/8_exp.npy"
    np.save(pickled, np.array({"a": 1}, dtype=object), allow_pickle=True)
    code, output = run("affectnet", root, tmp_path / "out")
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    assert [row["label"] for row in found] == [*AFFECTNET, *AFFECTNET]
    (refused,) = rows(tmp_path / "out/rejected.csv")
    assert "cannot be read" in refused["reason"]


# --- CK+ ---


@pytest.fixture
def ckplus(tmp_path):
    """A sequence of each label, one without, one that is too short."""
    root = tmp_path / "CK+"
    for label in range(1, 8):
        subject, sequence = f"S{label:03d}", "001"
        for frame in range(1, 7):
            name = f"{subject}_{sequence}_{frame:08d}"
            folder = root / "cohn-kanade-images" / subject / sequence
            save(folder / f"{name}.png", 10 * frame)
        path = root / "Emotion" / subject / sequence / f"{name}_emotion.txt"
        path.parent.mkdir(parents=True)
        path.write_text(f"   {label}.0000000e+00\n")
    save(root / "cohn-kanade-images/S999/001/S999_001_00000001.png")
    (root / "Emotion/S999/001").mkdir(parents=True)
    (root / "Emotion/S999/001/S999_001_00000001_emotion.txt").write_text("1.0")
    (root / "Emotion/S998/001").mkdir(parents=True)  # not labelled
    return root


def test_ckplus_by_first_and_last_frames(ckplus, tmp_path):
    code, output = run("ckplus", ckplus, tmp_path / "out")
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    labels = [row["label"] for row in found]
    # Of each sequence a neutral frame; no frame of contempt.
    assert labels.count("neutral") == 7 and len(found) == 13
    assert "contempt" not in labels
    assert labels[:2] == ["neutral", "anger"] and labels[-1] == "surprise"
    assert found[1]["path"].endswith("_00000006.png") and found[1]["subject"] == "S001"
    (refused,) = rows(tmp_path / "out/rejected.csv")
    assert refused == {"path": "S999/001", "reason": "1 frames; expected 4 at least"}


@pytest.mark.parametrize("text", ["", "anger", "inf"])
def test_a_label_of_ckplus_that_is_no_number(ckplus, tmp_path, text):
    (annotation,) = (ckplus / "Emotion/S003").glob("*/*.txt")
    annotation.write_text(text)
    code, output = run("ckplus", ckplus, tmp_path / "out")
    assert code == 0, output
    refused = {
        row["path"]: row["reason"] for row in rows(tmp_path / "out/rejected.csv")
    }
    assert refused["S003/001"] == f"{annotation.name} holds no number"


def test_ckplus_by_the_last_three_frames(ckplus, tmp_path):
    code, output = run("ckplus", ckplus, tmp_path / "out", "--last-three")
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    assert len(found) == 28  # one and three of each of seven sequences
    contempt = [row for row in found if row["label"] == "contempt"]
    assert [row["path"][-6:] for row in contempt] == ["04.png", "05.png", "06.png"]


# --- what all share ---


@pytest.mark.parametrize(
    "importer",
    [
        "rafdb",
        "affectnet",
        "ckplus",
        "sfew",
        "jaffe",
        "mmi",
        "emotionet",
        "megaface",
        "msceleb",
        "cifar",
        "svhn",
        "from_folder",
    ],
)
def test_what_is_no_data_set(importer, tmp_path):
    (tmp_path / "in").mkdir()
    code, output = run(importer, tmp_path / "in", tmp_path / "out")
    assert code == 1 and "error: " in output and "expected" in output
    code, output = run(importer, tmp_path / "gone", tmp_path / "out")
    assert code == 1 and "does not exist" in output
    (tmp_path / "text.txt").write_text("x")
    code, output = run(importer, tmp_path / "text.txt", tmp_path / "out")
    assert code == 1 and "neither a folder nor" in output
    assert not (tmp_path / "out").exists()
