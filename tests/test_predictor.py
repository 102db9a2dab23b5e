"""Predictions of exports: faces of any size in, names and numbers out; photos."""

import sys

import numpy as np
import pytest
from support.toys import au_classifier, dense_classifier

import kerasfer
from kerasfer.deploy.export import FILES, Description
from kerasfer.deploy.export.formats import write
from kerasfer.vision.alignment import CROPS, cut_out
from kerasfer.vision.detection import Face, MTCNNDetector, find_faces
from kerasfer.vision.detection.cascade import Found
from kerasfer.vision.images import cv2, resize, with_channels

NAMES = ("anger", "fear", "neutral")


def faces(count=6, shape=(4, 4, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A classifier, and the folder of its exports in every format."""
    folder, classifier = tmp_path_factory.mktemp("exported"), dense_classifier()
    description = Description("expressions", NAMES, (4, 4, 3))
    for form in FILES:
        write(form, classifier, description, folder)
    return classifier, folder


@pytest.fixture(params=FILES)
def predictor(exported, request):
    return kerasfer.load(exported[1] / FILES[request.param])


def test_predictions_by_hand(exported, predictor):
    images = faces()
    found = predictor(images)
    expected = exported[0](images.astype(np.float32))
    np.testing.assert_allclose(found.probs, expected["probs"], atol=1e-5)
    embeddings = predictor.embed([*images])
    np.testing.assert_allclose(embeddings, expected["embedding"], atol=1e-5)
    best = np.argmax(expected["probs"], -1)
    assert found.labels == [NAMES[k] for k in best]
    np.testing.assert_array_equal(found.decisions, np.eye(3, dtype=bool)[best])
    assert found.names == NAMES and len(found) == 6
    assert found[2:4].labels == found.labels[2:4]


def test_faces_of_many_sizes_and_colours(predictor):
    images = [faces(1, shape)[0] for shape in ((4, 4, 3), (9, 5, 1), (30, 40, 3))]
    prepared = [resize(with_channels(image, 3), (4, 4)) for image in images]
    np.testing.assert_array_equal(
        predictor(images).probs, predictor(np.stack(prepared)).probs
    )


def test_batches_change_nothing(exported):
    images = faces(7)
    whole = kerasfer.Predictor(exported[1] / "saved_model")(images)
    parts = kerasfer.Predictor(exported[1] / "saved_model", batch_size=3)(images)
    np.testing.assert_allclose(parts.probs, whole.probs, atol=1e-6)


def test_no_face(predictor):
    found = predictor([])
    assert found.labels == [] and found.probs.shape == (0, 3) == found.decisions.shape


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_faces_that_cannot_be(predictor, image):
    with pytest.raises(ValueError, match="Expected an image as uint8"):
        predictor([image])


def test_which_of_several_formats(exported):
    assert kerasfer.load(exported[1]).form == "saved_model"
    assert kerasfer.load(str(exported[1] / "saved_model")).form == "saved_model"


def test_labels_of_action_units(tmp_path):
    names = ("AU1", "AU4")
    description = Description("action_units", names, (4, 4, 3), thresholds=(0.5, 0.4))
    classifier = au_classifier(2)
    path = write("keras", classifier, description, tmp_path)
    images = faces(40)
    found = kerasfer.load(path)(images)
    raw = classifier(images.astype(np.float32))["probs"].numpy()
    for label, (first, second) in zip(found.labels, raw, strict=True):
        present = ["AU1"] * int(first >= 0.5) + ["AU4"] * int(second >= np.float32(0.4))
        assert label == "+".join(present)


# --- photos ---

POINTS = [(14, 15), (27, 15), (20, 22), (15, 30), (26, 30)]


def a_face(image):
    points = np.array([(8, 9), (17, 9), (12, 14), (9, 19), (16, 19)], float)
    return [Face((4.0, 3.0, 16.0, 20.0), points, 0.99)]


def test_faces_are_cut_out_as_the_model_says(tmp_path):
    photo = faces(1, (40, 50, 3))[0]
    cv2.imwrite(str(tmp_path / "photo.png"), photo[..., ::-1])
    (face,) = a_face(photo)
    for crop in (CROPS["arcface"], CROPS["box"], None):
        description = Description("expressions", NAMES, (12, 12, 3), crop=crop)
        found, crops = find_faces(tmp_path / "photo.png", description, a_face)
        expected = cut_out(
            photo, crop or CROPS["box"], (12, 12), face.box, face.landmarks
        )
        np.testing.assert_array_equal(crops, [expected])
        assert found[0].confidence == 0.99


class Networks:
    """Stands in for the three networks: what they give, without looking."""

    def __call__(self, image):
        self.seen = image.shape
        boxes = [(30, 5, 50, 30), (2, 5, 24, 30), (0, 0, 9, 30), (0, 0, 30, 30)]
        points = np.tile(POINTS, (4, 1, 1)).astype(float)
        scores = np.array([0.99, 0.95, 0.99, 0.8], np.float32)
        return Found(np.array(boxes, float), points, scores)


def detector(**options):
    made = MTCNNDetector.__new__(MTCNNDetector)
    made.min_confidence, made.min_side, made.longest_side = 0.9, 10, 1024
    vars(made).update(options)
    made._cascade = Networks()
    return made


def test_sure_and_large_faces_from_left_to_right():
    found = detector()(np.zeros((60, 80, 1), np.uint8))
    assert [face.box for face in found] == [(2, 5, 22, 25), (30, 5, 20, 25)]
    np.testing.assert_array_equal(found[0].landmarks, POINTS)
    assert isinstance(found[0].confidence, float)


def test_large_photos_are_looked_at_smaller():
    small = detector(longest_side=100, min_side=40)
    found = small(np.zeros((200, 400, 3), np.uint8))
    assert small._cascade.seen == (50, 100, 3)
    assert found[0].box == (8, 20, 88, 100)  # four times what it gave
    np.testing.assert_array_equal(found[0].landmarks[0], (56, 60))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(ImportError, match="Finding faces needs a package"):
        MTCNNDetector()


def test_a_photo_without_faces():
    """The package itself, on what has none."""
    assert MTCNNDetector()(np.full((70, 90, 3), 127, np.uint8)) == []
