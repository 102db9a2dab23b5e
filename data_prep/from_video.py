r"""Frames of videos to a manifest of unlabelled images.

    python data_prep/from_video.py CLIPS OUT --every 25
    python data_prep/detect_and_align.py OUT/manifest.csv FACES --size 112

SOURCE is a video or a folder of videos. Each video is a subject of its own, so that its
frames do not lie on both sides of a split. Frames are stored as they are, as PNG; the
second command finds the faces in them.
"""

import dataclasses
import functools

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.vision.files import VIDEOS, walk
from kerasfer.vision.images import cv2

ENDINGS = tuple(sorted(VIDEOS))


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    every: int = 25
    """Frames from one that is taken to the next."""
    most: int | None = None
    """Of each video at most so many frames; None takes all."""
    licence: str = "none was given"
    """What the licence says, to be stored beside the manifest."""

    def __post_init__(self):
        if self.every < 1 or (self.most is not None and self.most < 1):
            raise ValueError("--every and --most must be at least 1.")


def faces(source, every, most):
    """A `Face` for each frame that is taken."""
    videos = [source]
    if source.is_dir():
        found = [f.path for f in walk(source, videos=True) if not f.reason]
        videos = [path for path in found if path.suffix.lower() in VIDEOS]
    if not videos:
        raise FileNotFoundError(f"{source} holds no video ({', '.join(ENDINGS)}).")
    for video in videos:
        name = video.name
        if source.is_dir():
            name = video.relative_to(source).as_posix()
        yield from _frames(video, name, every, most)


def _frames(video, name, every, most):
    film = cv2.VideoCapture(str(video))
    number = taken = 0
    while (most is None or taken < most) and film.grab():
        if number % every == 0:
            ok, image = film.retrieve()
            if ok:
                yield Face(
                    f"{name}/{number:07d}.png",
                    split="unlabeled",
                    subject=name,
                    attributes={"video": name, "frame": str(number)},
                    encoded=functools.partial(_png, image),
                )
                taken += 1
            else:
                yield f"{name}, frame {number}", "it cannot be decoded"
        number += 1
    film.release()
    if not number:
        yield name, "no frame of it can be read"


def _png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def data_set(config):
    return DataSet(
        name="frames of videos",
        request="",
        notice=f"Frames of {config.source.name}: {config.licence}",
        faces=functools.partial(faces, every=config.every, most=config.most),
        attributes=("video", "frame"),
        file_endings=ENDINGS,
        tested_on="made-up videos",
    )


def main():
    program.main(Config, data_set, __doc__)


if __name__ == "__main__":
    main()
