"""Pictures and videos with their faces marked."""

import os

import numpy as np

from kerasfer.faces import cv2
from kerasfer.safe_write import written_aside

_COLOR, _INK = (60, 200, 90), (10, 20, 10)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def marked(looked_at):
    """A copy of the frame with boxes, and what each face shows.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    image = np.ascontiguousarray(looked_at.frame.image).copy()
    if looked_at.faces:
        size = max(image.shape[:2]) / 700
        for face, text in zip(looked_at.faces, _texts(looked_at), strict=True):
            _mark(image, face.box, text, max(0.4, 0.5 * size), max(1, round(2 * size)))
    return image


def _texts(looked_at):
    found = looked_at.predictions
    for i, label in enumerate(found.labels):
        sure = f" {found.probs[i].max():.0%}" if found.decisions[i].sum() == 1 else ""
        yield (label or "no unit") + sure


def _mark(image, box, text, size, thickness):
    x, y, width, height = np.round(box).astype(int)
    corner = (int(x + width), int(y + height))
    cv2.rectangle(image, (int(x), int(y)), corner, _COLOR, thickness)
    (wide, high), base = cv2.getTextSize(text, _FONT, size, 1)
    left = int(np.clip(x, 0, max(0, image.shape[1] - wide - 4)))
    # Above the box; inside of the picture where there is no room.
    bottom = int(np.clip(y, high + base + 4, image.shape[0]))
    top = (left, bottom - high - base - 4)
    cv2.rectangle(image, top, (left + wide + 4, bottom), _COLOR, -1)
    at = (left + 2, bottom - base - 2)
    cv2.putText(image, text, at, _FONT, size, _INK, 1, cv2.LINE_AA)


class MarkedFiles:
    """Writes marked frames into a folder: a picture each, or a video of a source.

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
            with written_aside(self._free(frame.source, ".jpg")) as aside:
                cv2.imencode(".jpg", image)[1].tofile(aside)
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
