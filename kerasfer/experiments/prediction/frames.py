"""Images, from wherever they come."""

import contextlib
import typing

import numpy as np

from kerasfer.vision.files import VIDEOS, walk
from kerasfer.vision.images import cv2, read_image

_USUAL_RATE = 25.0  # of a video that does not say


class Frame(typing.NamedTuple):
    """One image to look at."""

    source: str
    """Path of the file, or "camera 0"."""
    number: int | None
    """Of a frame in a video, from 0; None for an image."""
    image: np.ndarray | None
    """uint8 (height, width, 3), RGB; None if it cannot be read."""
    problem: str = ""
    """Why not."""
    rate: float = 0.0
    """Frames a second of those that are looked at, in a video."""


def files_of(paths):
    """The images and videos of paths, those of folders in the order of their names.

    Raises:
        FileNotFoundError: a path where nothing is.
        ValueError: a folder without images or videos.
    """
    files = []
    for path in paths:
        if path.is_dir():
            found = [*walk(path, videos=True)]
            if all(f.reason for f in found):
                raise ValueError(f"{path} holds no images or videos.")
            files += [f.path for f in found]
        elif path.exists():
            files.append(path)
        else:
            raise FileNotFoundError(f"{path} does not exist.")
    return files


def frames(files, camera, every, max_frames):
    """All frames of files, then those of a camera.

    Args:
        files: paths of images and videos.
        camera: its number, or None.
        every: of videos, give every so many-th frame.
        max_frames: of each video, give so many at most; 0 is all.
    """
    for path in files:
        if path.suffix.lower() in VIDEOS:
            yield from _video(str(path), str(path), every, max_frames)
        else:
            yield _image(path)
    if camera is not None:
        yield from _video(camera, f"camera {camera}", every, max_frames)


def _image(path):
    try:
        return Frame(str(path), None, read_image(path))
    except (OSError, ValueError) as error:
        return Frame(str(path), None, None, str(error))


def _video(opened, source, every, max_frames):
    capture = cv2.VideoCapture(opened)
    with contextlib.ExitStack() as at_end:
        at_end.callback(capture.release)
        if not capture.isOpened():
            yield Frame(source, None, None, "It cannot be opened.")
            return
        rate = (capture.get(cv2.CAP_PROP_FPS) or _USUAL_RATE) / every
        number = given = 0
        while not max_frames or given < max_frames:
            there, image = capture.read()
            if not there:
                break
            if number % every == 0:
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield Frame(source, number, rgb, rate=rate)
                given += 1
            number += 1
        if not given:
            yield Frame(source, None, None, "It has no frames that can be read.")
