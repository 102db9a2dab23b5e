"""data_prep/detect_and_align.py: the same bytes after a kill, a reason for all."""

import contextlib
import csv
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasfer.data import read_manifest
from kerasfer.data.synthetic import render
from kerasfer.preparation.aligning.photos import read_photos
from kerasfer.vision.alignment import CROPS, cut_out
from kerasfer.vision.detection import MTCNNDetector, YuNetDetector
from kerasfer.vision.images import cv2, read_image

DATA_PREP = pathlib.Path(__file__).parent.parent / "data_prep"
PROGRAM = DATA_PREP / "detect_and_align.py"
BEAM = DATA_PREP / "detect_and_align_beam.py"


def started(*arguments, program=PROGRAM):
    return subprocess.Popen(
        [sys.executable, str(program), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # to be killed with its workers
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "200"},
    )


def align(*arguments, program=PROGRAM):
    process = started(*arguments, program=program)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def digests(folder):
    """Relative path -> hash, of all files of a result."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(path):
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve photos of drawn faces, of which MTCNN finds most; one of two faces; and
    what is no photo of a face."""
    folder = tmp_path_factory.mktemp("photos")
    faces = render(14, seed=7, size=224, domain="posed")[0][..., ::-1]
    (folder / "inner").mkdir()
    for i, face in enumerate(faces[:12]):
        photo = np.full((280, 300, 3), 175, np.uint8)
        photo[28:252, 38:262] = face
        cv2.imwrite(str(folder / f"inner/{i:02d}.jpg"), photo)
    both = np.full((280, 560, 3), 175, np.uint8)
    both[28:252, 28:252] = faces[3]
    both[60:228, 340:508] = cv2.resize(faces[5], (168, 168))
    cv2.imwrite(str(folder / "both.png"), both)
    cv2.imwrite(str(folder / "nobody.png"), np.full((99, 99, 3), 90, np.uint8))
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("aligned") / "out"
    code, output = align(photos, out, "--shard-size", 1)
    assert code == 0, output
    return out


@pytest.mark.slow
def test_every_photo_is_a_crop_or_has_a_reason(photos, undisturbed):
    kept, rejected = (rows(undisturbed / f"{n}.csv") for n in ("manifest", "rejected"))
    sources = [row["source"] for row in kept]
    assert len(kept) >= 8 and sources == sorted(sources)
    refused = {r["path"]: r["reason"] for r in rejected if r["path"] not in sources}
    names = {str(p.relative_to(photos)) for p in photos.rglob("*.*")}
    assert {*sources, *refused} == names and refused["nobody.png"] == "no face"
    remarks = {row["path"]: row["reason"] for row in rejected}
    assert remarks["both.png"].startswith("several faces: 2; the largest was kept")
    for row in kept:
        assert read_image(undisturbed / row["path"]).shape == (112, 112, 3)
    assert len([*(undisturbed / "images").rglob("*.png")]) == len(kept)


@pytest.mark.slow
def test_a_crop_is_what_the_library_cuts_out(photos, undisturbed):
    row = next(r for r in rows(undisturbed / "manifest.csv") if r["source"][:1] == "i")
    photo = read_image(photos / row["source"])
    (face,) = MTCNNDetector(min_side=1)(photo)
    expected = cut_out(photo, CROPS["arcface"], (112, 112), face.box, face.landmarks)
    found = read_image(undisturbed / row["path"]).astype(int)
    assert np.abs(found - expected).max() <= 1
    assert float(row["box_x"]) == pytest.approx(face.box[0], abs=2e-3)
    assert float(row["mouth_right_y"]) == pytest.approx(face.landmarks[4, 1], abs=2e-3)
    digest = hashlib.sha256((photos / row["source"]).read_bytes()).hexdigest()
    assert row["source_sha256"] == digest and row["detector"].startswith("mtcnn 1.")
    crop = json.loads((undisturbed / "crop.json").read_text())
    assert crop["name"] == row["template"] == "arcface"


@pytest.mark.slow
def test_the_manifest_is_one_to_train_on(photos, tmp_path):
    lines = ["path,label,subject,gender"]
    lines += [f"inner/{i:02d}.jpg,{('fear', 'anger')[i % 2]},s{i},f" for i in range(12)]
    table = photos / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    try:
        code, output = align(table, tmp_path / "out", "--size", 48, "--jobs", 2)
    finally:
        table.unlink()
    assert code == 0, output
    manifest = read_manifest(tmp_path / "out/manifest.csv")
    assert set(manifest.class_names) == {"fear", "anger"} and len(manifest) >= 7
    assert manifest.image(0).shape == (48, 48, 3)
    of_path = {row["path"]: row for row in rows(tmp_path / "out/manifest.csv")}
    for name, label in zip(manifest.names, manifest.labels, strict=True):
        number = int(pathlib.PurePath(name).stem)
        assert manifest.class_names[label] == ("fear", "anger")[number % 2]
        assert of_path[name]["subject"] == f"s{number}"
        assert of_path[name]["gender"] == "f"


@pytest.mark.slow
def test_jobs_and_shares_change_no_byte(photos, undisturbed, tmp_path):
    out = tmp_path / "out"
    flags = [photos, out, "--shard-size", 1, "--num-shards", 2]
    code, output = align(*flags, "--shard-index", 1)
    assert code == 0 and "who ends last" in output
    assert not (out / "manifest.csv").exists()
    code, output = align(*flags, "--shard-index", 0, "--resume", "--jobs", 2)
    assert code == 0, output
    assert digests(out) == digests(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("shards_until_kill", [0, 2, 5, 9])
def test_a_kill_changes_no_byte(photos, undisturbed, tmp_path, shards_until_kill):
    """SIGKILL of all processes, in the middle of the work; then --resume."""
    out = tmp_path / "out"
    flags = [photos, out, "--shard-size", 1, "--jobs", 2]
    process = started(*flags)
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        begun = (out / ".shards/settings.json").exists()
        if begun and len([*out.glob(".shards/0*.json")]) >= shards_until_kill:
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "manifest.csv").exists(), "it was killed too late"
    code, output = align(*flags, "--resume")
    assert code == 0, output
    assert digests(out) == digests(undisturbed)


@pytest.mark.slow
def test_beam_writes_the_same_bytes(photos, undisturbed, tmp_path):
    pytest.importorskip("apache_beam")
    out = tmp_path / "out"
    code, output = align(
        photos, out, "--shard-size", 1, "--", "--runner", "DirectRunner",
        "--direct_num_workers", 2, program=BEAM,
    )  # fmt: skip
    assert code == 0, output
    assert digests(out) == digests(undisturbed)


@contextlib.contextmanager
def dask_cluster(folder, workers):
    """Address of a scheduler on this machine, and its workers' processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    program = [sys.executable, "-m", "dask"]
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    port = address.rpartition(":")[2]
    commands = [[*program, "scheduler", "--port", port, "--no-dashboard"]]
    commands += [
        [*program, "worker", address, "--nthreads", "1", "--no-nanny",
         "--local-directory", f"worker{k}"]
        for k in range(workers)
    ]  # fmt: skip
    processes = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        from distributed import Client

        with Client(address, timeout="60s") as client:
            client.wait_for_workers(workers, timeout=60)
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_dask_ends_the_work_of_a_worker_that_is_killed(photos, undisturbed, tmp_path):
    pytest.importorskip("apache_beam")
    pytest.importorskip("distributed")
    out = tmp_path / "out"
    with dask_cluster(tmp_path, workers=3) as (address, workers):
        process = started(
            photos, out, "--shard-size", 1, "--",
            "--runner", "apache_beam.runners.dask.dask_runner.DaskRunner",
            "--dask_client_address", address, program=BEAM,
        )  # fmt: skip
        while process.poll() is None and not [*out.glob(".shards/0*.json")]:
            time.sleep(0.05)
        workers[0].kill()
        assert not (out / "manifest.csv").exists(), "it was killed too late"
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert digests(out) == digests(undisturbed)


@pytest.mark.slow
def test_shards_hold_the_crops_that_files_hold(photos, undisturbed, tmp_path):
    out = tmp_path / "out"
    flags = [photos, out, "--shard-size", 5, "--output", "tfrecord", "--jobs", 2]
    process = started(*flags)
    while process.poll() is None and not [*out.glob(".shards/0*.json")]:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    code, output = align(*flags, "--resume")
    assert code == 0, output
    packed = read_manifest(out / "manifest.csv")
    plain = read_manifest(undisturbed / "manifest.csv")
    assert len(packed) == len(plain) and not (out / "images").exists()
    assert packed.names[0] == "shards/000000.tfrecord#0"
    for row in range(len(plain)):
        np.testing.assert_array_equal(packed.image(row), plain.image(row))
    facts = [{**row, "path": ""} for row in rows(out / "manifest.csv")]
    assert facts == [{**row, "path": ""} for row in rows(undisturbed / "manifest.csv")]


def test_beam_without_its_package(tmp_path):
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", np.zeros((9, 9, 3)))[1])
    (tmp_path / "apache_beam.py").write_text("raise ImportError('none here')")
    code = (
        "import runpy, sys; sys.path[:0] = sys.argv[1:]; "
        "sys.argv = ['x', sys.argv[1], sys.argv[1] + '/out', '--detector', 'none']; "
        "runpy.run_module('kerasfer.data_prep.detect_and_align_beam', None, '__main__')"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert "pip install -r requirements-beam.txt" in process.stderr


@pytest.mark.slow
def test_a_begun_folder_is_not_taken_for_another(photos, undisturbed, tmp_path):
    before = digests(undisturbed)
    for flags, message in (
        ([], "Go on with --resume"),
        (["--resume", "--size", 48], "other settings: size"),
    ):
        code, output = align(photos, undisturbed, "--shard-size", 1, *flags)
        assert code == 1 and message in output, output
    (tmp_path / "mine.txt").write_text("mine")
    code, output = align(photos, tmp_path)
    assert code == 1 and "was not begun by this program" in output
    assert digests(undisturbed) == before


@pytest.mark.slow
def test_a_finished_folder_is_done_at_once(photos, undisturbed):
    before = digests(undisturbed)
    code, output = align(photos, undisturbed, "--shard-size", 1, "--resume")
    assert code == 0 and "photo/s" not in output
    assert digests(undisturbed) == before


# --- what is wrong with photos ---


def exif_turned(image):
    """A JPEG whose tag says that it lies on its side."""
    encoded = cv2.imencode(".jpg", image)[1].tobytes()
    tag = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    header = b"\xff\xe1" + (len(tag) + 2).to_bytes(2, "big") + tag
    return encoded[:2] + header + encoded[2:]


def write_odd_files(folder):
    """Files, of which those under "good" are photos."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 30, 3), np.uint8)
    png, jpg = (cv2.imencode(end, image)[1].tobytes() for end in (".png", ".jpg"))
    bomb = png[:16] + (60_000).to_bytes(4, "big") * 2 + png[24:]
    files = {
        "good/a b é.png": png,
        "good/wrong_ending.png": jpg,
        "good/same.png": png,
        "good/same.jpg": jpg,
        "good/turned.jpg": exif_turned(image),
        "good/sixteen.png": cv2.imencode(".png", image.astype(np.uint16) * 257)[1],
        "good/grey.jpg": cv2.imencode(".jpg", image[..., 0])[1],
        "bad/cut.jpg": jpg[: len(jpg) // 2],
        "bad/cut.png": png[: len(png) // 2],
        "bad/empty.jpg": b"",
        "bad/text.png": b"no image",
        "bad/huge.png": bomb,
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(content))
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    return files


def test_odd_files_cost_their_neighbours_nothing(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    files = write_odd_files(folder)
    code, output = align(folder, out, "--detector", "none", "--size", 24)
    assert code == 0, output
    kept = {row["source"]: row for row in rows(out / "manifest.csv")}
    refused = {row["path"]: row["reason"] for row in rows(out / "rejected.csv")}
    assert set(kept) == {name for name in files if name.startswith("good/")}
    linked = {"loop"}  # a link to a folder has a row, too
    assert set(refused) == linked | {n for n in files if n.startswith("bad/")}
    assert "a link to a folder" in refused.pop("loop")
    reads = ("unreadable: ", "no image that OpenCV reads", "an empty file")
    assert all(reason.startswith(reads) for reason in refused.values())
    assert len({row["path"] for row in kept.values()}) == len(kept)
    assert {kept[f"good/same.{e}"]["path"] for e in ("png", "jpg")} == {
        "images/good/same.png.png",
        "images/good/same.jpg.png",
    }
    for row in kept.values():
        assert read_image(out / row["path"]).shape == (24, 24, 3)
    upright = read_image(folder / "good/turned.jpg")
    assert upright.shape == (30, 40, 3)  # as the tag says


def test_bytes_of_photos_that_are_as_asked_are_kept(tmp_path):
    folder, out, packed = tmp_path / "in", tmp_path / "out", tmp_path / "packed"
    folder.mkdir()
    (tmp_path / "in/LICENCE_NOTICE.txt").write_text("only here\n")
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    jpg = cv2.imencode(".jpg", image)[1].tobytes()
    larger = cv2.imencode(".jpg", np.zeros((25, 24, 3)))[1].tobytes()
    (folder / "a.jpg").write_bytes(jpg)
    (folder / "b.jpg").write_bytes(larger)
    (folder / "table.csv").write_text("path,label\na.jpg,fear\nb.jpg,anger\n")
    flags = ["--detector", "none", "--size", 24, "--encoding", "jpeg"]
    code, output = align(folder / "table.csv", out, *flags)
    assert code == 0, output
    assert (out / "images/a.jpg").read_bytes() == jpg
    assert read_image(out / "images/b.jpg").shape == (24, 24, 3)
    assert (out / "LICENCE_NOTICE.txt").read_text() == "only here\n"
    # From files to shards, and from shards on.
    more = ["--output", "tfrecord", "--shard-size", 1]
    code, output = align(out / "manifest.csv", packed, *flags, *more)
    assert code == 1 and "gets of its own" in output
    (out / "short.csv").write_text("path,label\nimages/a.jpg,fear\nimages/b.jpg,x\n")
    code, output = align(out / "short.csv", packed, *flags, *more)
    assert code == 0, output
    assert jpg in (packed / "shards/000000.tfrecord").read_bytes()
    table = packed / "again.csv"
    table.write_text("path\nshards/000001.tfrecord#0\nshards/000000.tfrecord#5\n")
    code, output = align(table, tmp_path / "again", *flags)
    assert code == 0, output
    (row,) = rows(tmp_path / "again/manifest.csv")
    kept = (out / "images/b.jpg").read_bytes()
    assert (tmp_path / "again" / row["path"]).read_bytes() == kept
    assert read_manifest(tmp_path / "again/manifest.csv").image(0).shape == (24, 24, 3)
    (refused,) = rows(tmp_path / "again/rejected.csv")
    assert "no record of an image begins there" in refused["reason"]


def test_a_list_and_names_that_leave_the_folder(tmp_path):
    folder = tmp_path / "in"
    write_odd_files(folder)
    outside = tmp_path / "outside.png"
    outside.write_bytes((folder / "good/same.png").read_bytes())
    names = ["../outside.png", "good/same.png", "good/gone.png", str(outside)]
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    out = tmp_path / "out"
    code, output = align(folder / "list.txt", out, "--detector", "none", "--size", 24)
    assert code == 0, output
    refused = {row["path"]: row["reason"] for row in rows(out / "rejected.csv")}
    assert refused == {
        "../outside.png": "its name leaves the folder of the source",
        "good/gone.png": "unreadable: No such file or directory",
    }
    kept = [row["path"] for row in rows(out / "manifest.csv")]
    assert kept == ["images/good/same.png", f"images{outside}"]
    assert all((out / path).resolve().is_relative_to(out) for path in kept)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label\nx\n", "no column `path`"),
        ("path\n", "names no photos"),
        ("path\na.png\na.png\n", "'a.png' is there 2 times"),
        ("path,label\na.png\n", "line 2: expected a path and 2 columns"),
        ("path,confidence\na.png,1\n", "gets of its own: confidence"),
    ],
)
def test_tables_that_cannot_be(tmp_path, content, message):
    (tmp_path / "table.csv").write_text(content)
    code, output = align(tmp_path / "table.csv", tmp_path / "out")
    assert code == 1 and message in output, output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--jobs", 0], "--jobs must be at least 1"),
        (["--shard-index", 2, "--num-shards", 2], "--shard-index must be 0"),
        (["--detector", "yunet"], "--yunet-model go together"),
        (["--margin", 0.1], "--margin is of --crop box alone"),
    ],
)
def test_flags_that_cannot_be(tmp_path, flags, message):
    code, output = align(tmp_path, tmp_path / "out", *flags)
    assert code != 0 and message in output


# --- YuNet ---


class Net:
    """Stands in for OpenCV's detector: what it gives, without a model."""

    def setInputSize(self, size):
        self.size = size

    def detect(self, image):
        points = [40, 30, 60, 30, 50, 40, 42, 50, 58, 50]
        right = [30, 10, 40, 50, *points, 0.97]
        return 1, np.array([right, [2, 3, 25, 30, *points, 0.95], [0] * 14 + [0.99]])


def test_yunet(tmp_path, monkeypatch):
    (tmp_path / "yunet.onnx").write_bytes(b"x")
    net, asked = Net(), {}

    def create(model, config, size, score_threshold):
        asked.update(model=model, threshold=score_threshold)
        return net

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", create)
    detector = YuNetDetector(tmp_path / "yunet.onnx", min_confidence=0.8)
    found = detector(np.zeros((70, 90, 1), np.uint8))
    assert net.size == (90, 70) and asked["threshold"] == 0.8
    assert [face.box for face in found] == [(2, 3, 25, 30), (30, 10, 40, 50)]
    np.testing.assert_array_equal(found[0].landmarks[1], (60, 30))
    assert found[1].confidence == pytest.approx(0.97)


def test_yunet_without_its_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="model zoo"):
        YuNetDetector(tmp_path / "gone.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match="not a model that OpenCV"):
        YuNetDetector(tmp_path / "broken.onnx")


def test_a_run_that_keeps_nothing_fails_and_leaves_nothing(tmp_path):
    """Paths that are relative to where one is, not to the CSV: the likeliest cause."""
    (tmp_path / "lists").mkdir()
    rows = ["path", *(f"lists/photo{k}.jpg" for k in range(3))]
    (tmp_path / "lists/photos.csv").write_text("\n".join(rows) + "\n")
    out = tmp_path / "out"
    code, output = align(tmp_path / "lists/photos.csv", out, "--detector", "none")
    assert code == 1, output
    assert "No face was kept of 3 photos, so nothing was written." in output
    assert "3 times: unreadable: No such file" in output
    assert f"start at its own folder, {tmp_path / 'lists'}." in output
    assert not out.exists()  # the corrected command can write it


def test_a_text_beside_a_photo_does_not_rename_its_crop(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), np.full((24, 24, 3), 90, np.uint8))
    (folder / "a.txt").write_text("a note")
    found = {p.name: (p.target, p.problem) for p in read_photos(folder)}
    assert found["a.jpg"] == ("images/a.png", "")
    assert found["a.txt"] == ("", "no image that OpenCV reads")
