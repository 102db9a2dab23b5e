r"""Photos to aligned faces: finds them, cuts them out alike, writes a manifest.

    python data_prep/detect_and_align.py PHOTOS OUT --crop arcface --size 112 --jobs 4
    python data_prep/detect_and_align.py PHOTOS OUT --crop arcface --size 112 --resume

PHOTOS is a folder of photos, a CSV with a column `path` (its other columns, such as
label, subject and split, go into the manifest; a path may point into a TFRecord shard),
or a .txt with a path a line. OUT gets images/ (or, with --output tfrecord, shards/),
manifest.csv (path, those columns, source, box, landmarks, confidence, detector and
version, template, size, hash of the source), rejected.csv (path, reason) and crop.json,
which recipes/export.py stores in a model, so that photos are cut out for it as these
were.

The work is done in shards. Each is written whole or not at all, whatever is killed;
--resume goes on with those that are missing, and the result is the same to the byte
whatever the jobs, the kills and the neighbours of a photo. Machines that see one OUT
share the work by --num-shards and --shard-index (`$SLURM_ARRAY_TASK_ID`); who ends last
writes the manifest.
"""

import dataclasses
import pathlib
import sys
from typing import Annotated, Literal

import tyro


@dataclasses.dataclass(frozen=True)
class Config:
    source: Annotated[
        pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")
    ]
    """Folder, CSV or .txt."""
    out: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """New folder; one that was begun with --resume."""
    crop: Literal["arcface", "fer2013", "rendered", "box"] = "arcface"
    """Template, see `kerasfer.vision.alignment.CROPS`."""
    margin: float | None = None
    """Around the box, a fraction of its longer side; of --crop box alone."""
    size: int = 112
    """Side of the crops in pixels."""
    channels: Literal[3, 1] = 3
    """Colour or grey."""
    detector: Literal["mtcnn", "yunet", "none"] = "mtcnn"
    """yunet: OpenCV's, with --yunet-model; none: photos are aligned faces already."""
    yunet_model: pathlib.Path | None = None
    """face_detection_yunet_....onnx, of OpenCV's model zoo."""
    faces: Literal["largest", "single"] = "largest"
    """Of several faces keep the largest, or none."""
    min_confidence: float = 0.9
    """Of a face; less sure ones are left out."""
    min_side: int = 20
    """Of a face's box in pixels; smaller ones are left out."""
    output: Literal["files", "tfrecord"] = "files"
    """A file a crop, or a TFRecord file a shard."""
    encoding: Literal["png", "jpeg"] = "png"
    """Of the crops; jpeg (quality 95) takes about a fifth of the space."""
    jobs: int = 1
    """Processes, of one core each."""
    shard_size: int = 200
    """Photos a shard; another size is another order of work, not another result."""
    shard_index: int = 0
    """Which of --num-shards parts of the work this program does."""
    num_shards: int = 1
    """Parts of the work, for job arrays."""
    resume: bool = False
    """Go on in an OUT that was begun with the same settings."""

    def __post_init__(self):
        at_least_1 = ("size", "jobs", "shard_size", "num_shards", "min_side")
        for name in at_least_1:
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1.")
        if not 0 <= self.shard_index < self.num_shards:
            raise ValueError("--shard-index must be 0 to --num-shards less 1.")
        if (self.detector == "yunet") != (self.yunet_model is not None):
            raise ValueError("--detector yunet and --yunet-model go together.")
        if self.margin is not None and self.crop != "box":
            raise ValueError("--margin is of --crop box alone.")


def main():
    config = tyro.cli(Config, description=__doc__)
    try:
        from kerasfer.preparation.aligning.program import run

        run(config)
    except KeyboardInterrupt:
        sys.exit("Interrupted. Whole shards are kept: go on with --resume.")
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
