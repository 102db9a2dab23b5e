"""CIFAR, SVHN, and the importers of any folder, table or video."""

import csv
import pathlib
import shutil

import numpy as np
import pytest
import scipy.io
from support.importer_runs import reasons, rows, run, save

from kerasfer.data import read_manifest, training_dataset
from kerasfer.vision.images import cv2

# --- CIFAR and SVHN ---


def cifar_record(labels, level):
    """Red, green and blue planes of levels level, level + 1, level + 2."""
    planes = np.repeat([level, level + 1, level + 2], 32 * 32)
    return bytes(labels) + planes.astype(np.uint8).tobytes()


@pytest.mark.parametrize("fine", [False, True])
def test_cifar(tmp_path, fine):
    root = tmp_path / "cifar"
    root.mkdir()
    names = ("airplane", "automobile", "bird")
    if fine:
        (root / "fine_label_names.txt").write_text("\n".join(names) + "\n\n")
        files = {"train.bin": 3, "test.bin": 2}
    else:
        (root / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
        files = {f"data_batch_{k}.bin": 1 for k in range(1, 6)} | {"test_batch.bin": 1}
    for name, count in files.items():
        labels = [[19, k % 3] if fine else [k % 3] for k in range(count)]
        records = [cifar_record(label, 100 + label[-1]) for label in labels]
        (root / name).write_bytes(b"".join(records))
    code, output = run("cifar", root, tmp_path / "out")
    assert code == 0 and "instead of 50000" in output, output
    found = rows(tmp_path / "out/manifest.csv")
    assert len(found) == (5 if fine else 6)
    if fine:
        assert [row["label"] for row in found] == [*names, *names[:2]]
        assert [row["split"] for row in found] == ["train"] * 3 + ["test"] * 2
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    level = 100 + (manifest.class_names.index("bird") if fine else 0)
    image = manifest.image(2)
    assert image.shape == (32, 32, 3)
    assert image[0, 0].tolist() == [level, level + 1, level + 2]  # RGB
    (root / "test.bin" if fine else root / "test_batch.bin").write_bytes(b"x" * 100)
    code, output = run("cifar", root, tmp_path / "cut")
    assert code == 1 and "is cut off: 100 bytes" in output


def test_cifar_of_pickles_is_refused(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py/data_batch_1").write_bytes(b"x")
    code, output = run("cifar", tmp_path, tmp_path / "out")
    assert code == 1 and "made of pickles" in output and "binary version" in output


def test_svhn(tmp_path):
    root = tmp_path / "SVHN"
    root.mkdir()
    for part, labels in (("train", [1, 9, 10]), ("test", [10]), ("extra", [2, 3])):
        images = np.zeros((32, 32, 3, len(labels)), np.uint8)
        images += np.arange(1, 4, dtype=np.uint8)[:, None]  # red 1, green 2, blue 3
        content = {"X": images, "y": np.array(labels, np.uint8)[:, None]}
        scipy.io.savemat(root / f"{part}_32x32.mat", content)
    code, output = run("svhn", root, tmp_path / "out", "--extra")
    assert code == 0 and "train: 3 instead of 73257" in output, output
    found = rows(tmp_path / "out/manifest.csv")
    assert [(row["split"], row["label"]) for row in found] == [
        ("train", "1"),
        ("train", "9"),
        ("train", "0"),
        ("test", "0"),
        ("unlabeled", "2"),
        ("unlabeled", "3"),
    ]
    image = read_manifest(tmp_path / "out/manifest.csv").image(0)
    assert image.shape == (32, 32, 3) and image[5, 5].tolist() == [1, 2, 3]
    (root / "train_32x32.mat").write_bytes(b"no matrix")
    code, output = run("svhn", root, tmp_path / "none")
    assert code == 1 and "is not a file of SVHN" in output


# --- a folder ---


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "my faces"
    for split in ("train", "Val"):
        for label in ("Happy", "sad", "bored ä"):
            save(root / split / label / "1.png", 50)
            save(root / split / label / "deeper" / "2.JPG", 50)
    save(root / "alone.png")
    (root / "loop").symlink_to(root)
    return root


def test_a_folder_by_its_layout(folder, tmp_path):
    code, output = run(
        "from_folder", folder, tmp_path / "out", "--layout", "split/class"
    )
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    assert len(found) == 12
    labels = {(row["original_label"], row["label"]) for row in found}
    assert labels == {
        ("Happy", "happiness"),
        ("sad", "sadness"),
        ("bored ä", "bored ä"),
    }
    assert {row["split"] for row in found} == {"train", "validation"}
    found = reasons(tmp_path / "out")
    assert found["alone.png"] == "it does not lie in split/class/"
    assert "a link to a folder" in found["loop"] and len(found) == 2
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert manifest.class_names == ("bored ä", "happiness", "sadness")
    assert int(manifest.image(0).mean()) == 50


def test_a_folder_without_a_layout_is_unlabelled(folder, tmp_path):
    code, output = run(
        "from_folder", folder, tmp_path / "out", "--licence", "mine alone"
    )
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert len(manifest) == 13 and set(manifest.parts) == {"unlabeled"}
    notice = (tmp_path / "out/LICENCE_NOTICE.txt").read_text()
    assert notice == "Images of my faces: mine alone\n"
    code, output = run("from_folder", folder, tmp_path / "x", "--layout", "klass")
    assert code != 0 and "expected class, split, subject, -" in output


# --- a table ---


@pytest.fixture
def table(tmp_path):
    for k in range(5):
        save(tmp_path / f"data/images/{k}.jpg", 40 * k)
    path = tmp_path / "data/labels.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(
            [
                ["image", "emotion", "who", "age", "label"],
                ["images/0.jpg", "Angry", "p1", "7", "odd"],
                ["images/1.jpg", "", "p2", "", ""],
                [str(tmp_path / "data/images/2.jpg"), "fear", "p2", "9", ""],
                ["images/9.jpg", "fear", "p2", "9", ""],
                ["../data/images/3.jpg", "fear", "p2", "9", ""],
                ["images/4.jpg", "fear"],
                ["images/0.jpg", "fear", "p1", "7", ""],
            ]
        )
    (tmp_path / "data/LICENCE_NOTICE.txt").write_text("for tests\nonly\n")
    return path


COLUMNS = [
    "--path",
    "image",
    "--label",
    "emotion",
    "--subject",
    "who",
    "--delimiter",
    ";",
]


def test_a_table(table, tmp_path):
    code, output = run("from_csv", table, tmp_path / "out", *COLUMNS)
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    kept = [(row["label"], row["subject"], row["age"]) for row in found]
    assert kept == [("anger", "p1", "7"), ("", "p2", ""), ("fear", "p2", "9")]
    assert [*reasons(tmp_path / "out").items()] == [
        ("images/9.jpg", "its file is not there"),
        ("../data/images/3.jpg", "its name leaves the folder of the source"),
        ("images/4.jpg", "its row has not 5 columns"),
        ("images/0.jpg", "another image of that name comes before it"),
    ]
    assert (tmp_path / "out/LICENCE_NOTICE.txt").read_text() == "for tests\nonly\n"
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert abs(int(manifest.image(2).mean()) - 80) <= 2
    code, output = run("from_csv", table, tmp_path / "x", "--delimiter", ";")
    assert code == 1 and "no column path. Received: image, emotion" in output


@pytest.mark.parametrize(
    ("rows_of_table", "error"),
    [
        ("{0},valid,0.5\n", "line 2: expected split train"),
        ("{0},val,0.5\n{1},Training,0\n", "line 3: expected split train"),
        ("{0},,\n\n{1},test,999\n", "line 4: expected AU2 in [0, 1]"),
        ("{0},train,5\n", "line 2: expected AU2 in [0, 1]"),
    ],
)
def test_what_no_training_could_read_is_refused(rows_of_table, error, tmp_path):
    for k in range(2):
        save(tmp_path / f"{k}.png", 100 * k)
    table = tmp_path / "t.csv"
    table.write_text("path,split,AU2\n" + rows_of_table.format("0.png", "1.png"))
    code, output = run("from_csv", table, tmp_path / "out")
    assert code == 1 and f"t.csv, {error}" in output, output
    assert "Traceback" not in output and not (tmp_path / "out").exists()


def test_a_manifest_is_packed_into_shards_and_trained_on(table, tmp_path):
    run("from_csv", table, tmp_path / "out", *COLUMNS)
    (tmp_path / "out/crop.json").write_text("{}")
    code, output = run(
        "from_csv", tmp_path / "out/manifest.csv", tmp_path / "packed", "--root", "/",
        "--output", "tfrecord",
    )  # fmt: skip
    assert code == 0, output
    packed = read_manifest(tmp_path / "packed/manifest.csv")
    plain = read_manifest(tmp_path / "out/manifest.csv")
    assert packed.labels.tolist() == plain.labels.tolist()
    assert [name.partition("#")[0] for name in packed.names] == (
        ["shards/000000.tfrecord"] * 3
    )
    shard = tmp_path / "packed/shards/000000.tfrecord"
    for row in range(3):
        np.testing.assert_array_equal(packed.image(row), plain.image(row))
        encoded = pathlib.Path(plain.path(row)).read_bytes()
        assert encoded in shard.read_bytes()  # as it was, not encoded again
    assert rows(tmp_path / "packed/manifest.csv")[0]["age"] == "7"
    assert (tmp_path / "packed/crop.json").read_text() == "{}"
    assert not (tmp_path / "out/files").exists()
    (batch, _), *_ = training_dataset(packed, packed, ("weak",), batch_size=2).take(1)
    assert batch["weak"].shape == (2, 12, 10, 3)


def test_more_than_a_thousand_images_fill_several_shards(tmp_path):
    root = tmp_path / "many"
    save(root / "0000.png")
    for k in range(1, 1002):
        (root / f"{k:04d}.png").hardlink_to(root / "0000.png")
    code, output = run("from_folder", root, tmp_path / "out", "--output", "tfrecord")
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert manifest.names[999].startswith("shards/000000.tfrecord#")
    assert manifest.names[1000] == "shards/000001.tfrecord#0"
    assert manifest.image(1001).shape == (12, 10, 3)


# --- videos ---


def test_frames_of_videos(tmp_path):
    clips = tmp_path / "clips"
    (clips / "deep").mkdir(parents=True)
    for name, frames in (("a.avi", 10), ("deep/b.avi", 4)):
        film = cv2.VideoWriter(
            str(clips / name), cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 32)
        )
        for k in range(frames):
            film.write(np.full((32, 32, 3), 20 * k, np.uint8))
        film.release()
    (clips / "broken.mp4").write_bytes(b"no film")
    code, output = run("from_video", clips, tmp_path / "out", "--every", "3")
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    frames = [(row["subject"], row["frame"]) for row in found]
    assert frames == [("a.avi", str(k)) for k in (0, 3, 6, 9)] + [
        ("deep/b.avi", "0"),
        ("deep/b.avi", "3"),
    ]
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert abs(int(manifest.image(2).mean()) - 120) <= 4
    assert reasons(tmp_path / "out") == {"broken.mp4": "no frame of it can be read"}
    code, output = run(
        "from_video", clips / "a.avi", tmp_path / "one", "--every", "1", "--most", "2"
    )
    assert code == 0 and len(rows(tmp_path / "one/manifest.csv")) == 2
    code, output = run("from_video", clips, tmp_path / "x", "--every", "0")
    assert code != 0 and "--every and --most must be at least 1" in output


# --- archives of macOS ---


def test_an_archive_of_macos_has_no_class_of_its_own(tmp_path):
    root = tmp_path / "faces"
    for label in ("happy", "sad"):
        save(root / label / "1.png", 50)
        save(root / "__MACOSX" / label / "._1.png", 50)
        save(root / label / "._1.png", 50)
    (root / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    packed = tmp_path / "faces.zip"
    shutil.make_archive(str(tmp_path / "faces"), "zip", root)
    code, output = run(
        "from_folder", packed, tmp_path / "out", "--layout", "class", "--split", "train"
    )
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    assert [row["label"] for row in found] == ["happiness", "sadness"]
    assert reasons(tmp_path / "out") == {
        "__MACOSX": "a hidden or system folder",
        ".DS_Store": "a hidden or system file",
        "happy/._1.png": "a hidden or system file",
        "sad/._1.png": "a hidden or system file",
    }


def test_any_ending_is_an_image_and_the_rest_has_a_row(tmp_path):
    root = tmp_path / "faces"
    for name in ("a.jfif", "b.JPE", "c", "d.bmp"):
        save(root / "happy" / "x.png", 50)
        (root / "happy" / "x.png").rename(root / "happy" / name)
    (root / "happy" / "notes.txt").write_text("by hand")
    (root / "happy" / "empty.jpg").write_bytes(b"")
    (root / "happy" / "clip.mov").write_bytes(b"0")
    code, output = run("from_folder", root, tmp_path / "out", "--layout", "class")
    assert code == 0, output
    names = [
        pathlib.Path(row["path"]).name for row in rows(tmp_path / "out/manifest.csv")
    ]
    assert names == ["a.jfif", "b.JPE", "c", "d.bmp"]
    assert reasons(tmp_path / "out") == {
        "happy/notes.txt": "no image that OpenCV reads",
        "happy/empty.jpg": "an empty file",
        "happy/clip.mov": "a video",
    }
