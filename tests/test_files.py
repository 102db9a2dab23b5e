"""One walk for all that reads folders."""

import numpy as np
import pytest

from kerasfer.vision.files import hidden, is_system, visible, walk
from kerasfer.vision.images import cv2


def write(path, ending=".png"):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path.write_bytes(cv2.imencode(ending, image)[1].tobytes())


def reasons(folder, **options):
    return {
        found.path.relative_to(folder).as_posix(): found.reason
        for found in walk(folder, **options)
    }


@pytest.mark.parametrize(
    ("name", "encoded_as"),
    [
        ("face.jfif", ".jpg"), ("face.jpe", ".jpg"), ("face.JPEG", ".jpg"),
        ("face", ".png"), ("face.png", ".jpg"), ("face.dat", ".bmp"),
        ("face.webp", ".webp"), ("face.tiff", ".tiff"), ("face.ppm", ".ppm"),
    ],
)  # fmt: skip
def test_images_are_known_by_content(name, encoded_as, tmp_path):
    write(tmp_path / name, encoded_as)
    assert reasons(tmp_path) == {name: ""}


@pytest.mark.parametrize(
    "name",
    [
        "._face.png", ".DS_Store", ".hidden.jpg", "Thumbs.db", "desktop.ini",
        "a/._face.png",
    ],
)  # fmt: skip
def test_system_files_are_listed_and_not_used(name, tmp_path):
    write(tmp_path / name)
    write(tmp_path / "a" / "face.png")
    assert reasons(tmp_path) == {"a/face.png": ""}
    assert [*hidden(tmp_path)] == [(tmp_path / name, "a hidden or system file")]


@pytest.mark.parametrize("name", ["__MACOSX", ".git", "@eaDir"])
def test_system_folders_are_one_entry_and_not_entered(name, tmp_path):
    write(tmp_path / name / "happy" / "face.png")
    assert reasons(tmp_path) == {}
    assert [*hidden(tmp_path)] == [(tmp_path / name, "a hidden or system folder")]


def test_a_linked_folder_is_listed(tmp_path):
    write(tmp_path / "elsewhere" / "face.png")
    faces = tmp_path / "faces"
    faces.mkdir()
    (faces / "happy").symlink_to(tmp_path / "elsewhere")
    assert "a link to a folder" in reasons(faces)["happy"]


def test_what_is_no_image_says_why(tmp_path):
    (tmp_path / "notes.txt").write_text("of these faces")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 32)
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "clip.WMV").write_bytes(b"0")
    found = reasons(tmp_path)
    assert found["notes.txt"] == found["text.jpg"] == "no image that OpenCV reads"
    assert found["empty.png"] == "an empty file"
    assert "convert it to JPEG or PNG" in found["phone.heic"]
    assert found["clip.WMV"] == "a video"
    assert reasons(tmp_path, videos=True)["clip.WMV"] == ""


def test_order_is_that_of_names(tmp_path):
    for name in ("b/2.png", "b/1.png", "a/3.png", "z.png"):
        write(tmp_path / name)
    assert [*reasons(tmp_path)] == ["z.png", "a/3.png", "b/1.png", "b/2.png"]


def test_visible_looks_below_the_root_alone(tmp_path):
    root = tmp_path / ".cache"  # the root itself may be hidden
    paths = [root / "a.png", root / "._a.png", root / "__MACOSX" / "a.png"]
    assert [*visible(paths, root)] == [root / "a.png"]
    assert is_system("Thumbs.db") and not is_system("thumbs.png")


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        next(walk(tmp_path / "none"))
