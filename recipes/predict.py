r"""Predictions on photos, folders, videos or a camera, by an exported model.

    python recipes/predict.py exported party.jpg
    python recipes/predict.py exported photos/ clip.mp4 --out predicted
    python recipes/predict.py exported --camera 0 --out predicted
    python recipes/predict.py exported --serve               (a page on this machine)

MTCNN finds the faces, they are cut out as the model's training faces were, and the
model says what they show. A row a face is printed as CSV or JSON; with --out it is
written there, beside images and videos with the faces marked. Files that cannot be
read and images without a face have a row that says so. Ctrl-C ends a camera's
recording, and keeps what was found until then. MODEL is what recipes/export.py wrote,
or a SavedModel of it alone.
"""

import dataclasses
import pathlib
from typing import Annotated, Literal

import tyro

from kerasfer.experiments.flags import CropName, parse, require_at_least, require_within
from kerasfer.experiments.runs import reported_errors


@dataclasses.dataclass(frozen=True)
class Config:
    model: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder or file of an exported model."""
    paths: Annotated[
        tuple[pathlib.Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PHOTOS")
    ] = ()
    """Images, videos, and folders of them."""
    camera: int | None = None
    """Number of a camera, 0 for the first."""
    serve: bool = False
    """Shows a page at 127.0.0.1: drop a photo or use the camera, see boxes, classes,
    units, and which parts of the face count."""
    port: int = 8123
    """Of --serve; 0 takes a free one."""
    out: pathlib.Path | None = None
    """Folder to write, where nothing stands; None prints."""
    format: Literal["csv", "json"] = "csv"
    """Of the rows."""
    detector: Literal["mtcnn", "none"] = "mtcnn"
    """none: each image is a face that is cut out already."""
    crop: CropName | None = None
    """How to cut out faces, instead of what the model says."""
    min_confidence: float = 0.9
    """Of a face; less sure ones are left out."""
    min_side: int = 20
    """Of a face's box in pixels; smaller ones are left out."""
    every: int = 1
    """Of videos and cameras, look at every so many-th frame."""
    max_frames: int = 0
    """Of each video or camera, look at so many frames at most; 0 is all."""
    batch_size: int = 64
    """Faces a call of the model."""
    annotate: bool = True
    """Whether images and videos with marked faces are written to --out."""

    def __post_init__(self):
        require_at_least(self, 1, "every", "batch_size", "min_side")
        require_at_least(self, 0, "max_frames")
        require_within(self, 0, 1, "min_confidence")
        require_within(self, 0, 65535, "port")
        if not (self.paths or self.camera is not None or self.serve):
            raise ValueError(
                "Give images, videos or folders, or --camera 0, or --serve."
            )


def main():
    config = parse(Config)
    with reported_errors():
        from kerasfer.experiments.prediction.program import predict, serve_page

        (serve_page if config.serve else predict)(config)


if __name__ == "__main__":
    main()
