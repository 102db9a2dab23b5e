"""SFEW, JAFFE, MMI, EmotioNet, MegaFace, MS-Celeb-1M, on made-up files."""

import base64
import struct

import numpy as np
import pytest
from support.importer_runs import reasons, rows, run, save

from kerasfer.data import read_manifest
from kerasfer.vision.images import cv2

# --- SFEW ---

SFEW = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def test_sfew(tmp_path):
    root = tmp_path / "SFEW"
    for part in (
        "Train",
        "Val",
        "Train_Aligned_Faces",
        "Val_Aligned_Faces_SAN",
        "Test",
    ):
        for label in SFEW:
            save(root / part / label / "AlexEmma_000210240_00000050.png")
    save(root / "Train_Aligned_Faces/odd.png")
    code, output = run("sfew", root, tmp_path / "out")
    assert code == 0 and "No reference for the totals" in output, output
    found = rows(tmp_path / "out/manifest.csv")
    assert [row["split"] for row in found] == ["train"] * 7 + ["test"] * 7
    names = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert [row["label"] for row in found] == names * 2
    assert found[0]["movie"] == "AlexEmma" and "Val_Aligned" in found[7]["path"]
    assert reasons(tmp_path / "out") == {
        "Train_Aligned_Faces/odd.png": "unknown label 'Train_Aligned_Faces'"
    }
    save(root / "Train/Train_Aligned_Faces/Angry/AlexEmma_000210240_00000050.png")
    code, output = run("sfew", root, tmp_path / "stills", "--original")
    assert code == 0 and "train: 7 instead of 958" in output
    assert "/Train/" in rows(tmp_path / "stills/manifest.csv")[0]["path"]


# --- JAFFE ---


def test_jaffe(tmp_path):
    for name in ("KA.AN1.39", "KA.NE2.27", "YM.SU3.60", "README", "YM.XX1.1"):
        save(tmp_path / f"jaffe/{name}.tiff", 70)
    code, output = run("jaffe", tmp_path / "jaffe", tmp_path / "out")
    assert code == 0 and "no split: 3 instead of 213" in output, output
    found = rows(tmp_path / "out/manifest.csv")
    assert [(row["subject"], row["label"]) for row in found] == [
        ("KA", "anger"),
        ("KA", "neutral"),
        ("YM", "surprise"),
    ]
    assert reasons(tmp_path / "out") == {
        "README.tiff": "its name is not PERSON.EXPRESSION.NUMBER",
        "YM.XX1.1.tiff": "unknown label 'XX'",
    }
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert int(manifest.image(0).mean()) == 70


# --- MMI ---


def video(path, frames):
    """A film whose frame k has the grey level 20 * k."""
    path.parent.mkdir(parents=True, exist_ok=True)
    film = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 32))
    for k in range(frames):
        film.write(np.full((32, 32, 3), 20 * k, np.uint8))
    film.release()


def session(root, number, name, emotion, view="0", frames=9):
    folder = root / f"Sessions/{number}"
    video(folder / f"{name}.avi", frames)
    track = f'<track view="{view}"/>' if view else ""
    (folder / "session.xml").write_text(
        f'<?xml version="1.0"?><session><subject id="1"/>{track}</session>'
    )
    if emotion:
        (folder / f"{name}.xml").write_text(
            '<?xml version="1.0"?><AnnotationMetatags>'
            '<Metatag Name="Speed" Value="1"/>'
            f'<Metatag Name="Emotion" Value="{emotion}"/></AnnotationMetatags>'
        )


def test_mmi(tmp_path):
    root = tmp_path / "MMI"
    session(root, 10, "S002-001", 6, view="")
    session(root, 9, "S001-001", 1)
    session(root, 11, "S003-001", 2, view="1")
    session(root, 12, "S004-001", 9)
    session(root, 13, "S005-001", None)
    session(root, 14, "S006-001", 3, frames=3)
    session(root, 15, "S007-001", 4)
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    (root / "Sessions/15/S007-001.xml").write_text(bomb)
    session(root, 16, "S008-001", 4)
    (root / "Sessions/16/S008-001.xml").write_text("<a>")
    code, output = run("mmi", root, tmp_path / "out")
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    assert [row["label"] for row in found] == (
        ["neutral", *["anger"] * 3, "neutral", *["surprise"] * 3]
    )
    assert [row["subject"] for row in found] == ["S001"] * 4 + ["S002"] * 4
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    for row, frame in enumerate((0, 3, 4, 5)):  # of nine frames the middle is 4
        assert found[row]["frame"] == str(frame)
        assert abs(int(manifest.image(row).mean()) - 20 * frame) <= 4
    assert {row["split"] for row in found} == {""}  # MMI has no test set
    of = {path.split("/")[1]: why for path, why in reasons(tmp_path / "out").items()}
    assert of.pop("16").startswith("S008-001.xml is no XML")
    assert of == {
        "11": "not a frontal view",
        "12": "emotion 9 is no class",
        "13": "no S005-001.xml says which emotion it is",
        "14": "3 frames can be read; expected 4 at least",
        "15": "S007-001.xml defines entities",
    }


def test_mmis_frames_on_their_side_are_turned(tmp_path):
    """A bright left edge is on top after a quarter turn clockwise."""
    root = tmp_path / "MMI"
    for number, video in ((1, "S001-001"), (2, "S002-001")):
        session(root, number, video, 1)
        film = cv2.VideoWriter(
            str(root / f"Sessions/{number}/{video}.avi"),
            cv2.VideoWriter_fourcc(*"MJPG"), 25, (24, 16),
        )  # fmt: skip
        frame = np.full((16, 24, 3), 40, np.uint8)
        frame[:, :8] = 220
        for _ in range(9):
            film.write(frame)
        film.release()
    (root / "Sessions/2/S002-001-oao_aucs.xml").write_text("<a/>")
    code, output = run("mmi", root, tmp_path / "out")
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    turned, upright = manifest.image(0), manifest.image(4)
    assert turned.shape[:2] == (24, 16) and upright.shape[:2] == (16, 24)
    assert turned[:6].mean() > 180 and turned[10:].mean() < 80


# --- EmotioNet ---

HOST = "https://s3.us-east-2.amazonaws.com/emotionet/Images"


@pytest.fixture
def emotionet(tmp_path):
    root = tmp_path / "EmotioNet"
    for name in ("N_1/a.jpg", "N_2/a.jpg", "N_1/b.jpg", "c.jpg", "N_9/wild.jpg"):
        save(root / "images" / name)
    (root / "EmotioNet_FACS_aws_2020_24600.csv").write_text(
        "URL,URL orig,'AU 1','AU 2','AU 12','AU 60'\n"
        f"'{HOST}/N_1/a.jpg','http://x',1,0,999,0\n"
        f"'{HOST}/N_2/a.jpg','http://x',0,999,1,0\n"
        f"'{HOST}/N_3/a.jpg','http://x',0,0,1,0\n"
        f"'{HOST}/N_7/c.jpg','http://x',999,999,999,0\n"
        f"'{HOST}/N_1/a.jpg','http://x',0,0,0,0\n"
        f"'{HOST}/N_8/gone.jpg','http://x',0,0,0,0\n"
        f"'{HOST}/N_1/b.jpg','http://x',0,5,0,0\n"
    )
    (root / "automatic.txt").write_text(
        "\t".join([f"{HOST}/N_1/b.jpg", "http://x", *["0"] * 11, "1", *["0"] * 48])
        + "\n"
    )
    (root / "about.csv").write_text("name,value\nx,1\n")
    return root


def test_emotionet(emotionet, tmp_path):
    units = ("--units", "1", "2", "12")
    code, output = run("emotionet", emotionet, tmp_path / "out", *units)
    assert code == 0, output
    found = rows(tmp_path / "out/manifest.csv")
    cells = [(row["AU1"], row["AU2"], row["AU12"]) for row in found]
    assert cells == [("1", "0", ""), ("0", "", "1"), ("", "", "")]  # 999 is unknown
    assert [row["path"][-9:] for row in found[:2]] == ["N_1/a.jpg", "N_2/a.jpg"]
    assert reasons(tmp_path / "out") == {
        f"{HOST}/N_3/a.jpg": "2 images are called a.jpg",
        f"{HOST}/N_1/a.jpg": "annotated before EmotioNet_FACS_aws_2020_24600.csv",
        f"{HOST}/N_8/gone.jpg": "its file is not there",
        f"{HOST}/N_1/b.jpg": "AU2 is 5: neither 0, 1 nor 999",
    }
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert manifest.class_names == () and manifest.au_names == ("AU1", "AU2", "AU12")
    np.testing.assert_array_equal(
        manifest.targets, [[1, 0, -1], [0, -1, 1], [-1, -1, -1]]
    )


def test_tables_of_emotionet_in_other_encodings(emotionet, tmp_path):
    table = emotionet / "EmotioNet_FACS_aws_2020_24600.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    units = ("--units", "1", "2", "12")
    code, output = run("emotionet", emotionet, tmp_path / "bom", *units)
    assert code == 0 and len(rows(tmp_path / "bom/manifest.csv")) == 3, output
    table.write_bytes(table.read_bytes().replace(b"http://x", b"http://\xe4"))
    code, output = run("emotionet", emotionet, tmp_path / "latin", *units)
    assert code == 1 and f"{table.name} is no table in UTF-8" in output


def test_emotionet_with_what_is_not_annotated(emotionet, tmp_path):
    more = ("--unlabeled", "--automatic")
    table = emotionet / "EmotioNet_FACS_aws_2020_24600.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:2]) + "\n")  # a.jpg of N_1 alone
    code, output = run("emotionet", emotionet, tmp_path / "out", *more)
    assert code == 0, output
    found = {
        row["path"].partition("images/")[2]: (row["split"], row["AU1"], row["AU12"])
        for row in rows(tmp_path / "out/manifest.csv")
    }
    assert found == {
        "N_1/a.jpg": ("", "1", ""),
        "N_1/b.jpg": ("", "0", "1"),  # the twelfth column of the automatic table
        "N_2/a.jpg": ("", "", ""),
        "N_9/wild.jpg": ("", "", ""),
        "c.jpg": ("", "", ""),
    }


def test_emotionets_units_by_any_spelling_and_none_that_no_table_has(tmp_path):
    save(tmp_path / "in/images/N_1/a.jpg")
    table = tmp_path / "in/t.csv"
    table.write_text(f"URL,AU01,AU 012\n{HOST}/N_1/a.jpg,1,0\n")
    code, output = run("emotionet", tmp_path / "in", tmp_path / "o", "--units", 1, 12)
    assert code == 0, output
    (row,) = rows(tmp_path / "o/manifest.csv")
    assert (row["AU1"], row["AU12"]) == ("1", "0")
    code, output = run("emotionet", tmp_path / "in", tmp_path / "p", "--units", 1, 43)
    assert code != 0 and "No table has a column of AU43" in output
    assert "--units among 1 12" in output and not (tmp_path / "p").exists()


# --- MegaFace and MS-Celeb-1M ---


def jpeg(level):
    return cv2.imencode(".jpg", np.full((8, 8, 3), level, np.uint8))[1].tobytes()


def record_io(labels, content, identifier, split_at=None):
    """A record of RecordIO; in parts if its content holds the magic number."""
    flag = len(labels) if len(labels) > 1 else 0
    head = struct.pack("<IfQQ", flag, 0 if flag else labels[0], identifier, 0)
    data = head + (struct.pack(f"<{flag}f", *labels) if flag else b"") + content
    magic = struct.pack("<I", 0xCED7230A)
    parts = data.split(magic)
    written = b""
    for number, part in enumerate(parts):
        kind = 0 if len(parts) == 1 else {0: 1, len(parts) - 1: 3}.get(number, 2)
        written += magic + struct.pack("<I", kind << 29 | len(part)) + part
        written += b"\0" * (-len(part) % 4)
    return written


def test_record_io(tmp_path):
    magic = struct.pack("<I", 0xCED7230A)
    images = [jpeg(10), jpeg(60) + magic + b"x" + magic, jpeg(110)]
    root = tmp_path / "faces_ms1m"
    root.mkdir()
    content = record_io([5.0, 7.0], b"", 0)  # images are records 1 to 4
    for number, (label, encoded) in enumerate(zip((0, 0, 3), images, strict=True), 1):
        content += record_io([float(label)], encoded, number)
    content += record_io([1.0], b"no image", 4)
    content += record_io([1.0, 3.0], b"", 5)  # of a person: records 1 and 2
    (root / "train.rec").write_bytes(content)
    code, output = run("msceleb", root, tmp_path / "out", "--output", "tfrecord")
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert list(manifest.subjects) == ["0000000", "0000000", "0000003"]
    assert list(manifest.parts) == ["unlabeled"] * 3
    assert manifest.labels.tolist() == [-1] * 3
    for row, level in enumerate((10, 60, 110)):
        assert abs(int(manifest.image(row).mean()) - level) <= 2
    assert reasons(tmp_path / "out") == {
        "train.rec, record 4": "its bytes are neither a JPEG nor a PNG"
    }
    whole = (root / "train.rec").read_bytes()
    for damaged, error in (
        (whole[:-5], "is cut off at byte"),
        (b"x" * 50, "is no RecordIO"),
        (whole[:40] + b"\0" + whole[41:], "is no RecordIO"),
    ):
        (root / "train.rec").write_bytes(damaged)
        code, output = run("megaface", root, tmp_path / "none")
        assert code == 1 and error in output, output
        assert not (tmp_path / "none").exists()


def test_tables_of_base64(tmp_path):
    lines = [
        "\t".join(["m.0107_f", "0", "http://i", "http://p", "FaceId-0", "AAAA", image])
        for image in (base64.b64encode(jpeg(90)).decode(), "no base64!", "AAAA")
    ]
    table = tmp_path / "FaceImageCroppedWithAlignment.tsv"
    table.write_text("\n".join([*lines, "m.1"]) + "\n")
    code, output = run("msceleb", table, tmp_path / "out")
    assert code == 0, output
    (row,) = rows(tmp_path / "out/manifest.csv")
    assert row["subject"] == "m.0107_f" and row["path"].startswith("images/m.0107_f/")
    assert (tmp_path / "out" / row["path"]).read_bytes() == jpeg(90)
    assert reasons(tmp_path / "out") == {
        f"{table.name}, line 2": "its image is no base64",
        f"{table.name}, line 3": "its bytes are neither a JPEG nor a PNG",
        f"{table.name}, line 4": "1 columns; expected 7",
    }


def test_folders_of_persons_and_a_list(tmp_path):
    root = tmp_path / "FlickrFinal2"
    for name in ("100/10055738@N06/1_0.jpg", "100/10055738@N06/1_1.jpg", "7/x/2.jpg"):
        save(root / name)
        (root / f"{name}.json").write_text("{}")
    code, output = run("megaface", root, tmp_path / "all")
    assert code == 0, output
    manifest = read_manifest(tmp_path / "all/manifest.csv")
    assert list(manifest.subjects) == ["100/10055738@N06"] * 2 + ["7/x"]
    (root / "set1.lst").write_text("0\t5.000000\t7/x/2.jpg\n1\t5\t../x.jpg\nodd\n")
    code, output = run("megaface", root, tmp_path / "listed")
    assert code == 0, output
    (row,) = rows(tmp_path / "listed/manifest.csv")
    assert row["subject"] == "5" and row["path"].endswith("7/x/2.jpg")
    assert reasons(tmp_path / "listed") == {
        "../x.jpg": "its name leaves the folder of the source",
        "set1.lst, line 3": "1 columns; expected 3",
    }


@pytest.mark.parametrize("numbers", ["5", "", "0 9 1", "0 1 x", "0 0 -1"])
def test_annotations_of_rafdb_that_cannot_be_are_named(numbers, tmp_path):
    from kerasfer.data_prep import rafdb

    folder = tmp_path / "Annotation/manual"
    folder.mkdir(parents=True)
    (folder / "train_1_manu_attri.txt").write_text(
        "1\t2\n" * (5 if numbers else 0) + numbers
    )
    listed = tmp_path / "EmoLabel/list.txt"
    expected = "train_1_manu_attri.txt: expected three numbers at its end"
    with pytest.raises(ValueError, match=expected):
        rafdb._attributes(tmp_path, listed, "train_1")
