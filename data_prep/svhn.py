r"""SVHN (cropped digits) to a manifest, from its official .mat files.

    python data_prep/svhn.py SVHN/ OUT
    python data_prep/svhn.py SVHN/ OUT --extra

Reads train_32x32.mat and test_32x32.mat, and with --extra extra_32x32.mat as unlabelled
images (their labels stay, for an audit). The files' label 10 is the digit 0.
"""

import dataclasses
import functools
import zlib

import scipy.io.matlab

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import found_below
from kerasfer.vision.images import cv2

_DAMAGED = (
    KeyError,
    TypeError,
    ValueError,
    OSError,
    zlib.error,
    scipy.io.matlab.MatReadError,
)
LABELS = {str(label): str(label % 10) for label in range(1, 11)}


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    extra: bool = False
    """Also the 531,131 extra images, as unlabelled ones."""


def faces(folder, extra=False):
    """A `Face` for each image of the files."""
    parts = [("train", "train"), ("test", "test")]
    if extra:
        parts.append(("unlabeled", "extra"))
    for split, name in parts:
        file = found_below(folder, f"{name}_32x32.mat", f"{name}_32x32.mat of SVHN")
        try:
            content = scipy.io.loadmat(file, variable_names=("X", "y"))
            images, labels = content["X"], content["y"].ravel()
        except _DAMAGED as error:
            raise ValueError(f"{file} is not a file of SVHN: {error}") from error
        for number in range(images.shape[-1]):
            yield Face(
                f"{split}/{name}_{number:06d}.png",
                str(int(labels[number])),
                split,
                encoded=functools.partial(_png, images[..., number]),
                called=f"{file.name}, image {number}",
            )


def _png(image):
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def data_set(extra=False):
    totals = {"train": 73257, "test": 26032}
    return DataSet(
        name="SVHN",
        request="Get its files from ufldl.stanford.edu/housenumbers (format 2).",
        notice=(
            "SVHN: for non-commercial use only; papers must cite Netzer et al., 2011."
        ),
        faces=functools.partial(faces, extra=extra),
        labels=LABELS,
        totals=totals | ({"unlabeled": 531131} if extra else {}),
        totals_source="the set's page (73,257, 26,032 and 531,131 digits)",
    )


def main():
    program.main(Config, lambda config: data_set(config.extra), __doc__)


if __name__ == "__main__":
    main()
