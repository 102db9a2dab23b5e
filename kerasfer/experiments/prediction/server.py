"""A page on this machine to look at what a model says of a photo or the camera."""

import base64
import http.server
import importlib.resources
import json
import threading

import numpy as np

from kerasfer.analysis.occlusion import occlusion_map, with_heat
from kerasfer.vision.images import cv2, decode_image

_MOST_BYTES = 20 * 2**20
_PAGE = "page.html"


def serve(look, host, port, ready=None):
    """Serves until Ctrl-C.

    Args:
        look: RGB image -> list of dicts, see `looks_of`.
        host: address to listen on; 127.0.0.1 is this machine alone.
        port: 0 takes a free one.
        ready: called with the address, once it is served.

    Raises:
        OSError: the port is taken.
    """
    with http.server.ThreadingHTTPServer((host, port), _handler(look)) as server:
        server.daemon_threads = True
        address = f"http://{host}:{server.server_address[1]}/"
        print(f"Open {address} in a browser; Ctrl-C ends it. Nothing is kept.")
        if ready is not None:
            ready(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def looks_of(predictor, faces_of):
    """A function from an RGB image to what the page shows of each face.

    Args:
        predictor: `kerasfer.deploy.Predictor`.
        faces_of: image -> (list of `Face`, list of crops).

    Returns:
        image -> list of dicts with box (x, y, width, height), label, probs (name ->
        share), decided (names), crop and heat (PNG data URLs).
    """
    lock = threading.Lock()  # a detector and a LiteRT interpreter are of one thread

    def look(image):
        with lock:
            faces, crops = faces_of(image)
            found = predictor(crops) if crops else None
            return [
                _shown(predictor, face, crop, found, row)
                for row, (face, crop) in enumerate(zip(faces, crops, strict=True))
            ]

    return look


def _shown(predictor, face, crop, found, row):
    probs, decided = found.probs[row], found.decisions[row]
    asked = int(probs.argmax())
    heat = occlusion_map(lambda images: predictor(images).probs, crop, asked)
    names = found.names
    return {
        "box": [round(float(v), 1) for v in face.box],
        "label": found.labels[row],
        "probs": {n: round(float(p), 4) for n, p in zip(names, probs, strict=True)},
        "decided": np.array(names)[decided].tolist(),
        "asked": names[asked],
        "crop": _data_url(crop),
        "heat": _data_url(with_heat(crop, heat)),
    }


def _data_url(image):
    if image.shape[-1] == 3:
        image = image[..., ::-1]
    png = cv2.imencode(".png", np.ascontiguousarray(image))[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _handler(look):
    page = importlib.resources.files(__package__).joinpath(_PAGE).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if not self._is_asked_here():
                return
            if self.path != "/":
                self._answer(404, "text/plain", b"There is only one page, /.")
                return
            self._answer(200, "text/html; charset=utf-8", page)

        def do_POST(self):
            if not self._is_asked_here():
                return
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= _MOST_BYTES:
                self._say(413, f"Expected an image of at most {_MOST_BYTES} bytes.")
                return
            try:
                image = decode_image(self.rfile.read(length), "the image")
                self._answer_json(200, {"faces": look(image)})
            except ValueError as error:
                self._say(400, str(error))

        def _is_asked_here(self):
            """Whether a page of another site does not ask through this browser: its
            name would stand in Host or Origin."""
            own = self.headers.get("Host", "")
            origin = self.headers.get("Origin")
            host, port = self.server.server_address[:2]
            fits = own in (f"{host}:{port}", f"localhost:{port}")
            if fits and origin in (None, f"http://{own}"):
                return True
            self._say(403, f"Asked as {own or 'nobody'} from {origin}: refused.")
            return False

        def _say(self, status, text):
            self._answer_json(status, {"error": text})

        def _answer_json(self, status, content):
            body = json.dumps(content).encode()
            self._answer(status, "application/json", body)

        def _answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header(
                "Content-Security-Policy",
                "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
                "script-src 'unsafe-inline'; connect-src 'self'; media-src blob:",
            )
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """No line for each request."""

    return Handler
