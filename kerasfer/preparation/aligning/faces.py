"""One photo to the crop of one face, with the facts of it, or a reason why not."""

import dataclasses
import hashlib
import importlib.metadata
import pathlib

import numpy as np

from kerasfer.data.records import is_record, read_record
from kerasfer.vision.alignment import CROPS, LANDMARKS, cut_out
from kerasfer.vision.images import cv2, decode_image, resize, with_channels

BOX = ("box_x", "box_y", "box_width", "box_height")
POINTS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
FACTS = (
    "source",
    *BOX,
    *POINTS,
    "confidence",
    "detector",
    "template",
    "size",
    "source_sha256",
)
"""Columns of the manifest beyond those of the source."""

ENCODINGS = {"png": ".png", "jpeg": ".jpg"}
_MAGIC = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff"}
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]


class Rejected(Exception):
    """Why a photo gives no crop."""


class Aligner:
    """Finds the face of a photo and cuts it out.

    Args:
        settings: a dict, as `aligning.shards.settings_of` makes it.
    """

    def __init__(self, settings):
        self.settings = settings
        self.crop = crop_of(settings)
        self.detect, self.version = _detector(settings)

    def __call__(self, photo):
        """The crop's bytes, its facts, and a remark or an empty text.

        The bytes of a photo that is aligned already, and has the size, colours and
        encoding asked for, are kept as they are.

        Raises:
            Rejected: with the reason.
        """
        encoded = _bytes_of(photo)
        image = _decoded(encoded, photo)
        face, remark = self._face(image)
        size = (self.settings["size"],) * 2
        if face is None:  # aligned already
            result = resize(with_channels(image, self.settings["channels"]), size)
            place = dict.fromkeys((*BOX, *POINTS, "confidence"), "")
        else:
            result = cut_out(image, self.crop, size, face.box, face.landmarks)
            result = with_channels(result, self.settings["channels"])
            place = _place(face)
        facts = {
            "source": photo.name,
            **place,
            "detector": self.version,
            "template": self.crop.name if face is not None else "as it was",
            "size": self.settings["size"],
            "source_sha256": hashlib.sha256(encoded).hexdigest(),
        }
        encoding = self.settings["encoding"]
        is_kept = result is image and encoded.startswith(_MAGIC[encoding])
        return encoded if is_kept else _encoded(result, encoding), facts, remark

    def _face(self, image):
        if self.detect is None:
            return None, ""
        found = self.detect(image)
        large = [f for f in found if min(f.box[2:]) >= self.settings["min_side"]]
        if not found:
            raise Rejected("no face")
        if not large:
            side = max(min(face.box[2:]) for face in found)
            raise Rejected(f"too small: the largest face is {side:.0f} pixels wide")
        if len(large) == 1:
            return large[0], ""
        if self.settings["faces"] == "single":
            raise Rejected(f"several faces: {len(large)}")
        areas = [face.box[2] * face.box[3] for face in large]
        kept = int(np.argmax(areas))
        remark = f"several faces: {len(large)}; the largest was kept, number {kept + 1}"
        return large[kept], f"{remark} from the left"


def _encoded(image, encoding):
    if image.shape[2] == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    quality = _QUALITY if encoding == "jpeg" else []
    return cv2.imencode(ENCODINGS[encoding], image, quality)[1].tobytes()


def crop_of(settings):
    """The `kerasfer.vision.alignment.Crop` of the settings."""
    crop = CROPS[settings["crop"]]
    if settings["margin"] is None:
        return crop
    return dataclasses.replace(crop, margin=settings["margin"])


def _detector(settings):
    """A function, photo -> faces, or None; and what it is, with its version."""
    if settings["detector"] == "none":
        return None, "none"
    if settings["detector"] == "yunet":
        from kerasfer.vision.detection import YuNetDetector

        path = pathlib.Path(settings["yunet_model"])
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        detect = YuNetDetector(path, settings["min_confidence"], min_side=1)
        return detect, f"yunet {path.name} {digest}, opencv {cv2.__version__}"
    from kerasfer.vision.detection import MTCNNDetector

    detect = MTCNNDetector(settings["min_confidence"], min_side=1)
    return detect, f"mtcnn {importlib.metadata.version('mtcnn')}"


def _bytes_of(photo):
    if photo.problem:
        raise Rejected(photo.problem)
    if not photo.target:
        raise Rejected("its name leaves the folder of the source")
    try:
        if is_record(photo.path):
            return read_record(photo.path)
        return pathlib.Path(photo.path).read_bytes()
    except (OSError, ValueError) as error:
        raise Rejected(f"unreadable: {getattr(error, 'strerror', error)}") from None


def _decoded(encoded, photo):
    try:
        return decode_image(encoded, photo.name)
    except ValueError as error:
        text = " ".join(str(error).split())
        raise Rejected(f"unreadable: {text}") from None


def _place(face):
    # To a thousandth of a pixel: the last bits differ between machines.
    numbers = [*face.box, *np.ravel(face.landmarks)]
    named = zip((*BOX, *POINTS), numbers, strict=True)
    place = {name: f"{float(value):.3f}" for name, value in named}
    return {**place, "confidence": f"{face.confidence:.5f}"}
