"""recipes/predict.py: images and videos in, rows and marked images out."""

import csv
import io
import json
import typing

import numpy as np
import pytest
from support.recipe_runs import imported, parsed, run
from support.toys import dense_classifier

from kerasfer.deploy.export import Description
from kerasfer.deploy.export.formats import write
from kerasfer.experiments import flags
from kerasfer.experiments.prediction import frames, marking, program
from kerasfer.vision.alignment import CROPS
from kerasfer.vision.detection import Face
from kerasfer.vision.images import cv2, read_image

NAMES = ("anger", "fear", "neutral")
predict = imported("predict")


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_video(path, count, size=(64, 48), rate=10):
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, size)
    for number in range(count):
        video.write(np.full((size[1], size[0], 3), 10 * number, np.uint8))
    video.release()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    description = Description("expressions", NAMES, (4, 4, 3))
    return write("keras", dense_classifier(), description, folder)


@pytest.fixture
def photos(tmp_path):
    """Three images, of which one cannot be read, and a video of five frames."""
    folder = tmp_path / "photos of Zoë"
    (folder / "inner").mkdir(parents=True)
    cv2.imencode(".png", noise(60, 80))[1].tofile(folder / "a b.png")
    cv2.imencode(".jpg", noise(500, 70))[1].tofile(folder / "inner/a b.jpg")
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image")
    write_video(folder / "clip.avi", 5)
    return folder


@pytest.fixture
def two_faces(monkeypatch):
    """A detector that finds two faces in what is wider than high, none else."""

    def detect(image):
        if image.shape[0] > image.shape[1]:
            return []
        points = np.array([(6, 6), (14, 6), (10, 10), (7, 14), (13, 14)], float)
        return [
            Face((2.0, 2.0, 16.0, 16.0), points, 0.99),
            Face((30.0, -5.0, 40.0, 30.0), points + 30, 0.91),
        ]

    monkeypatch.setattr(program, "_detector", lambda config: detect)


def predicted(model, *paths, **fields):
    """What the program prints, as rows."""
    with io.StringIO() as text, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", text)
        program.predict(predict.Config(model, tuple(paths), **fields))
        printed = text.getvalue()
    if fields.get("format") == "json":
        return json.loads(printed)
    return [*csv.DictReader(io.StringIO(printed))]


def test_images_and_videos_of_folders_in_order(photos):
    files = frames.files_of([photos, photos / "a b.png"])
    assert [file.name for file in files] == [
        "a b.png",
        "broken.jpg",
        "clip.avi",
        "notes.txt",  # a row that says that it is none
        "a b.jpg",
        "a b.png",
    ]


def test_paths_where_nothing_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        frames.files_of([tmp_path / "gone.jpg"])
    with pytest.raises(ValueError, match="no images or videos"):
        frames.files_of([tmp_path])


def test_frames_of_a_video(tmp_path):
    write_video(tmp_path / "clip.avi", 9)
    every_third = [*frames.frames([tmp_path / "clip.avi"], None, 3, 0)]
    assert [frame.number for frame in every_third] == [0, 3, 6]
    grey = [int(frame.image.mean()) for frame in every_third]
    assert np.abs(np.array(grey) - [0, 30, 60]).max() <= 3
    assert every_third[0].rate == pytest.approx(10 / 3)
    assert len([*frames.frames([tmp_path / "clip.avi"], None, 1, 2)]) == 2


def test_a_video_that_is_none(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    (frame,) = frames.frames([tmp_path / "clip.mp4"], None, 1, 0)
    assert frame.image is None and "cannot be opened" in frame.problem


def test_rows_of_everything(model, photos, two_faces, capsys):
    rows = predicted(model, photos)
    of_file = {}
    for row in rows:
        of_file.setdefault(row["file"].rpartition("/")[2], []).append(row)
    assert [row["status"] for row in of_file["a b.jpg"]] == ["no face"]
    assert "is not one, or is damaged" in of_file["broken.jpg"][0]["status"]
    assert [row["face"] for row in of_file["a b.png"]] == ["0", "1"]
    assert len(of_file["clip.avi"]) == 10 and of_file["clip.avi"][-1]["frame"] == "4"
    face = of_file["a b.png"][1]
    assert (face["x"], face["y"], face["width"]) == ("30.0", "-5.0", "40.0")
    probs = [float(face[f"p_{name}"]) for name in NAMES]
    assert sum(probs) == pytest.approx(1, abs=1e-4)
    assert face["label"] == NAMES[int(np.argmax(probs))]
    said = capsys.readouterr().err
    assert "9 images, 12 faces, 1 images without one, 2 unreadable" in said
    assert "does not say how its training faces were cut out" in said


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_and_formats_change_nothing(model, photos, two_faces, batch_size):
    whole = predicted(model, photos, format="json")
    parts = predicted(model, photos, format="json", batch_size=batch_size)
    for one, other in zip(whole, parts, strict=True):
        for key in one.keys() | other.keys():
            assert one[key] == pytest.approx(other[key], abs=2e-5), key


def test_marked_images_and_videos(model, photos, two_faces, tmp_path):
    out = tmp_path / "out"
    program.predict(predict.Config(model, (photos,), out=out))
    names = sorted(path.name for path in (out / "marked").iterdir())
    assert names == ["a_b-2.jpg", "a_b.jpg", "clip.mp4"]
    image = read_image(out / "marked/a_b.jpg")
    assert image.shape == (360, 480, 3)  # 60 by 80, enlarged to be read
    green = (image[..., 1].astype(int) - image[..., 0] > 80).mean()
    assert green > 0.01  # a box's line, a label's ground
    clip = [*frames.frames([out / "marked/clip.mp4"], None, 1, 0)]
    assert len(clip) == 5 and clip[0].image.shape == (384, 512, 3)
    with (out / "predictions.csv").open() as file:
        assert len([*csv.DictReader(file)]) == 15


def test_the_label_lies_within_the_image():
    image = np.zeros((600, 600, 3), np.uint8)
    for box in ((-20, -20, 40, 30), (580, 590, 60, 60), (0, 0, 600, 600)):
        before = image.copy()
        marking._mark(image, box, "a very long label of many units" * 2)
        assert (image != before).any()


def test_interrupted_it_keeps_what_it_has(model, photos, two_faces, monkeypatch):
    whole = frames.frames

    def interrupted(*arguments):
        for number, frame in enumerate(whole(*arguments)):
            if number == 3:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(program, "frames", interrupted)
    rows = predicted(model, photos)
    assert len(rows) == 5  # two faces, one that is broken, two faces of the clip


def test_nothing_is_overwritten(model, photos, two_faces, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="nothing was changed"):
        program.predict(predict.Config(model, (photos,), out=tmp_path / "out"))


def test_nothing_that_can_be_read(model, tmp_path, two_faces):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="Nothing could be read"):
        predicted(model, tmp_path / "a.jpg")


def test_faces_that_are_cut_out_already(model, tmp_path):
    cv2.imwrite(str(tmp_path / "face.png"), noise(4, 4)[..., ::-1])
    (row,) = predicted(model, tmp_path / "face.png", detector="none")
    probs = dense_probs(model, noise(4, 4))
    found = [float(row[f"p_{name}"]) for name in NAMES]
    np.testing.assert_allclose(found, probs, atol=1e-5)


def dense_probs(model, image):
    import kerasfer

    return kerasfer.load(model)([image]).probs[0]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "Give images, videos or folders"),
        (["a.jpg", "--every", 0], "--every: expected at least 1"),
        (["a.jpg", "--min-confidence", 2], "--min-confidence: expected 0 to 1"),
    ],
)
def test_flags_that_cannot_be(flags, message, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        parsed(predict, "model", *flags)
    assert message in f"{capsys.readouterr()}{end.value}"


def test_the_crops_of_the_flags_are_those_there_are():
    names = typing.get_args(flags.CropName)
    assert set(names) == set(CROPS)


def test_errors_are_lines_for_the_user(tmp_path):
    code, output = run(tmp_path / "gone", tmp_path, recipe="predict", timeout=120)
    assert code == 1 and "Traceback" not in output
    assert ("error:" in output and "does not exist" in output) or "holds no" in output
