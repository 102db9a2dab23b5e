"""data_prep/check.py finds what was put in, and nothing else."""

import csv
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from kerasfer.data.synthetic import render
from kerasfer.vision.images import EXPRESSIONS, cv2, read_image

PROGRAM = pathlib.Path(__file__).parent.parent / "data_prep/check.py"


def check(*arguments):
    process = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return process.returncode, process.stdout, process.stderr


def save(path, image, *options):
    path.parent.mkdir(exist_ok=True)
    cv2.imencode(path.suffix, image[..., ::-1], options)[1].tofile(path)


@pytest.fixture
def faces(tmp_path):
    """120 drawn faces in a manifest, and the lines of it."""
    images, labels, _, subjects = render(120, seed=3, size=64, num_subjects=10**6)
    lines = ["path,label,subject,split"]
    for i, image in enumerate(images):
        save(tmp_path / f"images/{i}.png", image)
        part = "test" if i >= 90 else "train"
        name = EXPRESSIONS[labels[i]]
        lines.append(f"images/{i}.png,{name},s{subjects[i]},{part}")
    return tmp_path, images, lines


def write(folder, lines):
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def test_faces_of_many_people_have_no_problems(faces):
    folder, _, lines = faces
    code, output, _ = check(write(folder, lines))
    assert code == 0 and "Nothing was found." in output
    assert "train: 90 faces (" in output and "test: 30 faces (" in output
    assert "sizes: 64 x 64: 120" in output


def test_all_that_was_put_in_is_found(faces):
    folder, images, lines = faces
    images = images.copy()
    save(folder / "images/same.bmp", images[5])  # other bytes, the same pixels
    save(folder / "images/leaked.png", images[6])
    save(folder / "images/near.jpg", images[7], cv2.IMWRITE_JPEG_QUALITY, 70)
    brighter = np.clip(images[8].astype(int) + 12, 0, 255).astype(np.uint8)
    save(folder / "images/near_leaked.png", cv2.resize(brighter, (48, 48)))
    save(folder / "images/blank.png", np.full((64, 64, 3), 77, np.uint8))
    (folder / "images/broken.png").write_bytes(b"no image")
    lines = [line.replace("images/95.png,", "images/95.png,") for line in lines]
    lines += [
        "images/same.bmp,fear,a,train",
        "images/leaked.png,fear,b,test",
        "images/near.jpg,fear,c,train",
        "images/near_leaked.png,fear,d,test",
        "images/blank.png,fear,e,train",
        "images/broken.png,fear,f,train",
        "images/gone.png,fear,f,train",
    ]
    lines[100] = lines[100].rsplit(",", 2)[0] + f",{lines[1].split(',')[2]},test"
    out = folder / "checked"
    code, output, _ = check(write(folder, lines), "--out", out)
    assert code == 1
    with (out / "problems.csv").open(newline="") as file:
        found = [(r["problem"], r["path"], r["other"]) for r in csv.DictReader(file)]
    assert {(kind, path) for kind, path, _ in found} == {
        ("duplicate", "images/same.bmp"),
        ("duplicate_across_splits", "images/leaked.png"),
        ("near_duplicate", "images/near.jpg"),
        ("near_duplicate_across_splits", "images/near_leaked.png"),
        ("blank", "images/blank.png"),
        ("unreadable", "images/broken.png"),
        ("unreadable", "images/gone.png"),
        ("subject_across_splits", "images/99.png"),
    }
    others = {path: other for _, path, other in found}
    assert others["images/same.bmp"] == "images/5.png"
    assert others["images/near_leaked.png"] == "images/8.png"
    assert others["images/99.png"] == "images/0.png"
    assert "is not one, or is damaged" in others["images/broken.png"]
    for name in EXPRESSIONS:
        sheet = read_image(out / f"sheet_{name}.png")
        assert sheet.shape[1] == 12 * 64 and sheet.std() > 10
    kinds = {kind for kind, _, _ in found}
    code, output, _ = check(folder / "manifest.csv", "--ignore", *kinds)
    assert code == 0 and "duplicate_across_splits: 1 (ignored)" in output


def test_what_cannot_be_checked(tmp_path, faces):
    code, _, errors = check(tmp_path / "gone.csv")
    assert code == 2 and "does not exist" in errors
    folder, _, lines = faces
    (folder / "mine").mkdir()
    code, _, errors = check(write(folder, lines), "--out", folder / "mine")
    assert code == 2 and "nothing was changed" in errors
