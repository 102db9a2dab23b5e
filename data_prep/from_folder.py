r"""Any folder of images to a manifest.

    python data_prep/from_folder.py FACES OUT
    python data_prep/from_folder.py FACES OUT --layout split/class
    python data_prep/from_folder.py PACKED OUT --layout class --output tfrecord

--layout says what the folders above an image are, from the outermost: class, split,
subject, or - for what does not matter. Folders beyond those, and a layout of nothing
(the default: unlabelled images), are allowed. Words for the eight expressions (angry,
happy, ...) become their names; other classes keep theirs.
"""

import dataclasses
import functools
import pathlib

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import images_below

_MEANINGS = ("class", "split", "subject", "-")
_SPLITS = {"training": "train", "val": "validation", "unlabelled": "unlabeled"}


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    layout: str = ""
    """E.g. class, split/class, class/subject."""
    split: str = ""
    """Of all images, where the layout has none: train, unlabeled, validation, test."""
    licence: str = "none was given"
    """What the licence says, to be stored beside the manifest."""

    def __post_init__(self):
        unknown = set(_meanings(self.layout)) - set(_MEANINGS)
        if unknown:
            raise ValueError(
                f"--layout: expected {', '.join(_MEANINGS)} with slashes between. "
                f"Received: {self.layout}."
            )


def faces(folder, layout, split):
    """A `Face` for each image; the folders above it say what it is."""
    meanings = _meanings(layout)
    for name, reason in images_below(folder):
        above = pathlib.PurePosixPath(name).parts[:-1]
        if reason or len(above) < len(meanings):
            yield name, reason or f"it does not lie in {layout}/"
            continue
        known = dict(zip(meanings, above, strict=False))
        of_split = known.get("split", split).lower()
        yield Face(
            name,
            known.get("class", ""),
            _SPLITS.get(of_split, of_split),
            known.get("subject", ""),
        )


def _meanings(layout):
    return [part for part in layout.split("/") if part]


def data_set(config):
    default = "" if "class" in config.layout else "unlabeled"
    return DataSet(
        name="images of a folder",
        request="",
        notice=f"Images of {config.source.name}: {config.licence}",
        faces=functools.partial(
            faces, layout=config.layout, split=config.split or default
        ),
        tested_on="made-up folders",
    )


def main():
    program.main(Config, data_set, __doc__)


if __name__ == "__main__":
    main()
