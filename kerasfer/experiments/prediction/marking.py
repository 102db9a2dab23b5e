"""Images and videos with their faces marked."""

import os

import numpy as np

from kerasfer.safe_write import atomic_write
from kerasfer.vision.images import cv2

_COLOR, _INK = (60, 200, 90), (10, 20, 10)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST = 480  # pixels of the longer side; below, a text would hide the face


def marked(looked_at):
    """A copy of the frame with boxes, and what each face shows.

    A small image is enlarged by a whole number.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    image = looked_at.frame.image
    scale = -(-_SMALLEST // max(image.shape[:2]))
    image = np.repeat(np.repeat(image, scale, 0), scale, 1)
    if looked_at.faces:
        for face, text in zip(looked_at.faces, _texts(looked_at), strict=True):
            _mark(image, np.multiply(face.box, scale), text)
    return image


def _texts(looked_at):
    found = looked_at.predictions
    for i, label in enumerate(found.labels):
        sure = f" {found.probs[i].max():.0%}" if found.decisions[i].sum() == 1 else ""
        yield (label or "no unit") + sure


def _mark(image, box, text):
    x, y, width, height = np.round(box).astype(int).tolist()
    thickness = max(1, round(max(image.shape[:2]) / 500))
    cv2.rectangle(image, (x, y), (x + width, y + height), _COLOR, thickness)
    size = _text_size(text, width, image.shape[1])
    (wide, high), base = cv2.getTextSize(text, _FONT, size, 1)
    pad = base // 2 + 1
    left = int(np.clip(x, 0, max(0, image.shape[1] - wide - 2 * pad)))
    # Above the box; inside of the image where there is no room.
    bottom = int(np.clip(y, high + base + 2 * pad, image.shape[0]))
    top = bottom - high - base - 2 * pad
    cv2.rectangle(image, (left, top), (left + wide + 2 * pad, bottom), _COLOR, -1)
    at = (left + pad, bottom - base - pad)
    cv2.putText(image, text, at, _FONT, size, _INK, 1, cv2.LINE_AA)


def _text_size(text, box_width, image_width):
    """As wide as the box, within what can be read, and never wider than the image."""
    (wide, _), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    readable = np.clip(box_width / wide, 0.5, 0.8)
    return float(min(readable, 0.95 * image_width / wide))


class MarkedFiles:
    """Writes marked frames into a folder: an image each, or a video of a source.

    Files of one name from several folders are told apart by a number.
    """

    def __init__(self, folder):
        self.folder, self._taken, self._video = folder, set(), None
        folder.mkdir(parents=True)

    def write(self, looked_at):
        frame = looked_at.frame
        if frame.image is None:
            return
        image = cv2.cvtColor(marked(looked_at), cv2.COLOR_RGB2BGR)
        if frame.number is None:
            self.close()
            with atomic_write(self._free(frame.source, ".jpg")) as temporary:
                cv2.imencode(".jpg", image)[1].tofile(temporary)
            return
        if self._video is None or self._video.source != frame.source:
            self.close()
            path = self._free(frame.source, ".mp4")
            self._video = _Video(frame.source, path, frame.rate, image.shape[1::-1])
        self._video.write(image)

    def close(self):
        """Finishes the video that is being written, if there is one."""
        if self._video is not None:
            self._video.close()
            self._video = None

    def _free(self, source, suffix):
        stem = os.path.splitext(os.path.basename(source))[0].replace(" ", "_")
        name, number = f"{stem}{suffix}", 2
        while name in self._taken:
            name, number = f"{stem}-{number}{suffix}", number + 1
        self._taken.add(name)
        return self.folder / name


class _Video:
    def __init__(self, source, path, rate, size):
        self.source, self._path = source, path
        self._aside = path.with_name(f".writing-{path.name}")
        code = cv2.VideoWriter_fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._aside), code, rate, size)
        if not self._writer.isOpened():
            raise ValueError(
                f"OpenCV cannot write {path}: it lacks a codec. Give --no-annotate."
            )

    def write(self, image):
        self._writer.write(image)

    def close(self):
        self._writer.release()
        os.replace(self._aside, self._path)
