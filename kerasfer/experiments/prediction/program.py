"""Frames in, faces found, rows and images out."""

import collections
import dataclasses
import sys
import time
import typing

import kerasfer
from kerasfer.experiments.prediction.frames import VIDEOS, Frame, files_of, frames
from kerasfer.experiments.prediction.marking import MarkedFiles
from kerasfer.experiments.prediction.records import as_text, records
from kerasfer.experiments.prediction.server import looks_of, serve
from kerasfer.safe_write import new_folder
from kerasfer.vision.alignment import CROPS
from kerasfer.vision.detection import Face, MTCNNDetector, find_faces


class LookedAt(typing.NamedTuple):
    """A frame with what was found in it."""

    frame: Frame
    faces: list
    predictions: object
    """`kerasfer.deploy.predictor.Predictions`, a row a face; None without faces."""


def predict(config):
    """Looks at everything, prints or writes it.

    Raises:
        ValueError: nothing could be read.
    """
    files = files_of(config.paths)
    predictor = kerasfer.Predictor(config.model, batch_size=config.batch_size)
    description = _with_crop(predictor.description, config)
    detector = _detector(config)
    stream = _batches(
        _progress(files, config), description, detector, predictor, config.batch_size
    )
    if config.out is None:
        rows = _collect(stream, None)
        sys.stdout.write(as_text(rows, description.names, config.format))
    else:
        with new_folder(config.out) as folder:
            marked = MarkedFiles(folder / "marked") if config.annotate else None
            rows = _collect(stream, marked)
            table = folder / f"predictions.{config.format}"
            table.write_text(
                as_text(rows, description.names, config.format), encoding="utf8"
            )
        print(f"Folder: {config.out}", file=sys.stderr)
    if all(row["status"].startswith("unreadable") for row in rows):
        raise ValueError(f"Nothing could be read: {rows[0]['status']}")


def serve_page(config):
    """A page for photos and the camera, until Ctrl-C."""
    predictor = kerasfer.Predictor(config.model, batch_size=config.batch_size)
    description = _with_crop(predictor.description, config)
    detector = _detector(config)

    def faces_of(image):
        return _faces(image, description, detector)

    serve(looks_of(predictor, faces_of), "127.0.0.1", config.port)


def _with_crop(description, config):
    if config.crop is not None:
        return dataclasses.replace(description, crop=CROPS[config.crop])
    if description.crop is None and config.detector != "none":
        print(
            "The model does not say how its training faces were cut out; using the "
            "detector's box. Give --crop if you know better.",
            file=sys.stderr,
        )
    return description


def _detector(config):
    if config.detector == "none":
        return _whole_image
    return MTCNNDetector(config.min_confidence, config.min_side)


def _whole_image(image):
    height, width = image.shape[:2]
    return [Face((0.0, 0.0, float(width), float(height)), None, 1.0)]


def _progress(files, config):
    from tqdm import tqdm

    has_videos = any(path.suffix.lower() in VIDEOS for path in files)
    is_counted = config.camera is None and not has_videos
    return tqdm(
        frames(files, config.camera, config.every, config.max_frames),
        f"batch {config.batch_size}",
        total=len(files) if is_counted else None,
        unit="image",
        disable=None,
    )


def _batches(stream, description, detector, predictor, batch_size):
    """`LookedAt` of each frame; the model sees faces of several frames at once."""
    waiting, crops = collections.deque(), []

    def classified():
        found, start = predictor(crops), 0
        for frame, faces in waiting:
            end = start + len(faces)
            yield LookedAt(frame, faces, found[start:end] if faces else None)
            start = end
        waiting.clear()
        crops.clear()

    try:
        for frame in stream:
            faces, cut_out = [], []
            if frame.image is not None:
                faces, cut_out = _faces(frame.image, description, detector)
            waiting.append((frame, faces))
            crops.extend(cut_out)
            # Frames without faces must not pile up either.
            if max(len(crops), len(waiting)) >= batch_size:
                yield from classified()
    except KeyboardInterrupt:
        print("\nInterrupted; what was found until now is kept.", file=sys.stderr)
    yield from classified()


def _faces(image, description, detector):
    if detector is _whole_image:
        return _whole_image(image), [image]
    return find_faces(image, description, detector)


def _collect(stream, marked):
    """All rows; and a line on how many, and how fast."""
    rows, start, count = [], time.monotonic(), collections.Counter()
    for looked_at in stream:
        new = records(looked_at)
        rows += new
        count["images"] += 1
        count["faces"] += len(looked_at.faces)
        count["unreadable"] += looked_at.frame.image is None
        count["without a face"] += new[0]["status"] == "no face"
        if marked is not None:
            marked.write(looked_at)
    if marked is not None:
        marked.close()
    seconds = time.monotonic() - start
    print(
        f"{count['images']} images, {count['faces']} faces, "
        f"{count['without a face']} images without one, {count['unreadable']} "
        f"unreadable; {count['images'] / seconds:.1f} images/s.",
        file=sys.stderr,
    )
    return rows
