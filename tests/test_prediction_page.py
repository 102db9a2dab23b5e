"""The page of `kerasfer predict --serve`, and the map of what counts for an answer."""

import http.client
import json
import threading

import numpy as np
import pytest

from kerasfer.analysis.occlusion import occlusion_map, with_heat
from kerasfer.deploy.predictor import Predictions
from kerasfer.experiments.prediction.server import looks_of, serve
from kerasfer.vision.detection import Face
from kerasfer.vision.images import cv2


def brightness_of_a_corner(images):
    """Two classes; the first is the brightness of the upper left quarter."""
    images = np.asarray(images, float)
    side = images.shape[1] // 2
    first = images[:, :side, :side].mean((1, 2, 3)) / 255
    return np.stack([first, 1 - first], -1)


def corner_face(side=20):
    image = np.zeros((side, side, 3), np.uint8)
    image[: side // 2, : side // 2] = 255
    return image


def test_the_map_is_where_the_answer_comes_from():
    image = corner_face()
    heat = occlusion_map(brightness_of_a_corner, image, 0)
    assert heat.shape == (20, 20)
    assert heat[:10, :10].min() > 0 and np.abs(heat[15:, 15:]).max() < 1e-6
    # Of the other class it is the opposite.
    other = occlusion_map(brightness_of_a_corner, image, 1)
    np.testing.assert_allclose(other, -heat, atol=1e-6)


def test_one_cell_is_the_fall_for_its_patch():
    """With 2 cells the patches, 0.3 of the side, are in the corners, and do not meet:
    in the upper left one 6 x 6 white pixels of 100 become the grey of the mean, 64."""
    heat = occlusion_map(brightness_of_a_corner, corner_face(), 0, cells=2)
    expected = 36 / 100 * (255 - 64) / 255
    np.testing.assert_allclose(heat[:6, :6], expected, atol=1e-6)
    assert heat[7:13, 7:13].max() == 0  # under no patch
    with pytest.raises(ValueError, match="`cells` must be at least 2"):
        occlusion_map(brightness_of_a_corner, corner_face(), 0, cells=1)


def test_heat_is_orange_and_the_rest_grey():
    image = np.full((8, 8, 3), (10, 20, 30), np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[:4], heat[4:] = 0.5, -1.0
    drawn = with_heat(image, heat, 8)
    assert drawn[0, 0].tolist() == [230, 159, 0] and drawn[7, 0].tolist() == [20] * 3


class Model:
    def __call__(self, images):
        probs = brightness_of_a_corner(images).astype(np.float32)
        decisions = np.eye(2, dtype=bool)[probs.argmax(-1)]
        return Predictions(("bright", "dark"), probs, decisions)


@pytest.fixture(scope="module")
def address():
    def faces_of(image):
        if not image.any():
            return [], []
        return [Face((1.0, 2.0, 30.0, 40.0), None, 1.0)], [image]

    served, ended = threading.Event(), []

    def ready(address):
        ended.append(address)
        served.set()

    arguments = (looks_of(Model(), faces_of), "127.0.0.1", 0, ready)
    threading.Thread(target=serve, args=arguments, daemon=True).start()
    assert served.wait(10)
    return ended[0].removeprefix("http://").removesuffix("/")


def asked(address, method, path="/", body=None, **headers):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def test_the_page_loads_nothing_from_elsewhere(address):
    status, headers, body = asked(address, "GET")
    assert status == 200 and b"What does the model see?" in body
    assert b"http://" not in body and b"https://" not in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert asked(address, "GET", "/other")[0] == 404


def test_a_photo_is_answered_with_boxes_probabilities_and_maps(address):
    status, _, body = asked(address, "POST", "/predict", png(corner_face()))
    assert status == 200
    (face,) = json.loads(body)["faces"]
    assert face["box"] == [1, 2, 30, 40] and face["label"] == "bright"
    assert face["probs"] == {"bright": 1.0, "dark": 0.0}
    assert face["decided"] == ["bright"] and face["asked"] == "bright"
    for name in ("crop", "heat"):
        assert face[name].startswith("data:image/png;base64,")
    body = asked(address, "POST", "/predict", png(np.zeros((9, 9, 3), np.uint8)))[2]
    assert json.loads(body) == {"faces": []}


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"abc", {}, 400, "Expected an image"),
        (b"", {}, 413, "Expected an image of at most"),
        (b"x", {"Host": "evil.example"}, 403, "refused"),
        (b"x", {"Origin": "http://evil.example"}, 403, "refused"),
    ],
)
def test_what_is_not_answered(address, body, headers, status, says):
    found, _, text = asked(address, "POST", "/predict", body, **headers)
    assert found == status and says in json.loads(text)["error"]


def test_an_image_that_is_too_large_is_not_read(address):
    headers = {"Content-Length": str(2**40)}
    assert asked(address, "POST", "/predict", b"x", **headers)[0] == 413
