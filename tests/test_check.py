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


def test_a_clean_manifest_is_without_copies_and_the_original_stays(faces):
    folder, images, lines = faces
    save(folder / "images/copy.png", images[95])  # of a test face, in the training set
    save(folder / "images/again.png", images[3])
    save(folder / "images/blank.png", np.zeros_like(images[0]))
    added = (
        "copy.png,fear,x,train",
        "again.png,fear,y,train",
        "blank.png,fear,z,train",
    )
    path = write(folder, [*lines, *(f"images/{line}" for line in added)])
    before = path.read_bytes()
    (folder / "elsewhere").mkdir()
    clean = folder / "elsewhere/clean.csv"
    code, output, error = check(path, "--write-clean", clean)
    assert code == 1 and "120 of 123 faces, without 3." in output, (output, error)
    assert path.read_bytes() == before
    kept = list(csv.DictReader(clean.open()))
    names = [row["path"] for row in kept]
    assert "../images/95.png" in names and "../images/3.png" in names
    assert not {"../images/copy.png", "../images/again.png"} & {*names}
    assert [*kept[0]] == ["path", "label", "subject", "split"]
    code, output, _ = check(clean)
    assert code == 0 and "Nothing was found." in output
    code, _, error = check(path, "--write-clean", clean)
    assert code == 2 and "exists; it is not written over" in error


def test_ignored_problems_stay_and_contradictions_are_said(faces):
    folder, images, lines = faces
    save(folder / "images/copy.png", images[3])
    label = lines[4].split(",")[1]
    other = next(name for name in EXPRESSIONS if name != label)
    path = write(folder, [*lines, f"images/copy.png,{other},x,train"])
    clean = folder / "clean.csv"
    _, output, _ = check(path, "--write-clean", clean)
    assert "1 images were there with different labels" in output
    assert "images/3.png" in clean.read_text()
    _, output, _ = check(
        path, "--write-clean", folder / "all.csv", "--ignore", "duplicate"
    )
    assert "121 of 121 faces, without 0." in output


def test_only_copies_of_what_stays_go():
    from kerasfer.data import from_arrays
    from kerasfer.preparation.checking.clean import rows_to_drop
    from kerasfer.preparation.checking.problems import Problem

    faces = from_arrays(np.zeros((4, 8, 8, 3), np.uint8), [0, 0, 0, 0])
    a, b, c, d = faces.names
    pairs = [(b, a), (c, b), (d, a)]
    problems = [Problem("near_duplicate", *pair) for pair in pairs]
    # c is like b, which goes, and not like a, which stays.
    assert rows_to_drop(faces, problems) == ({b, d}, 0)


def test_a_labelled_copy_stays():
    from kerasfer.data import from_arrays
    from kerasfer.preparation.checking.clean import rows_to_drop
    from kerasfer.preparation.checking.problems import Problem

    faces = from_arrays(np.zeros((3, 8, 8, 3), np.uint8), [-1, 2, 1], "abc")
    a, b, c = faces.names
    problems = [Problem("duplicate", b, a), Problem("duplicate", c, a)]
    dropped, contradicting = rows_to_drop(faces, problems)
    assert dropped == {a, c}  # the same as b, by way of a
    assert contradicting == 1
