r"""SFEW 2.0 to a manifest, in the aligned or the original images.

    python data_prep/sfew.py SFEW/ OUT
    python data_prep/sfew.py SFEW/ OUT --original

Reads the class folders (Angry, Disgust, Fear, Happy, Neutral, Sad, Surprise) below
Train_Aligned_Faces/ and Val_Aligned_Faces*/, or Train/ and Val/. The test set has no
public labels: the validation set is called test here, as papers use it. How faces are
aligned matters on this data: published accuracies differ by tens of points between
alignments.
"""

import dataclasses
import functools

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import images_below
from kerasfer.vision.files import visible

LABELS = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}


_ALIGNED = "_Aligned_Faces"


def faces(folder, original=False):
    """A `Face` for each image of a class folder; its movie is an attribute."""
    for split, part in (("train", "Train"), ("test", "Val")):
        below = _part(folder, part, original)
        for inner, reason in images_below(below):
            path = below / inner
            name = path.relative_to(folder).as_posix()
            if any(_ALIGNED in part for part in path.relative_to(below).parts):
                continue  # the aligned copies, which some unpack beside the stills
            if reason:
                yield name, reason
                continue
            movie = path.stem.partition("_")[0]
            yield Face(name, path.parent.name, split, attributes={"movie": movie})


def _part(folder, part, original):
    aligned = f"{part}{_ALIGNED}"
    for path in sorted(visible(folder.rglob(f"{part}*"), folder)):
        right = path.name == part if original else path.name.startswith(aligned)
        if right and path.is_dir():
            return path
    raise FileNotFoundError(
        f"{folder} holds no {part if original else aligned}: expected the parts of "
        "SFEW 2.0, unpacked."
    )


def data_set(original=False):
    return DataSet(
        name="SFEW 2.0",
        request="Ask its authors (users.cecs.anu.edu.au/~few_group/AFEW.html).",
        notice=(
            "SFEW 2.0: stills of movies, for research only, by a licence form of its "
            "authors; not to be passed on, and papers must cite Dhall et al., 2011."
        ),
        faces=functools.partial(faces, original=original),
        labels=LABELS,
        attributes=("movie",),
        totals={"train": 958, "test": 436} if original else {},
        totals_source="Ada-CM's paper (958 for training, 436 for validation)",
    )


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    original: bool = False
    """The stills, instead of the aligned faces."""


def main():
    program.main(Config, lambda config: data_set(config.original), __doc__)


if __name__ == "__main__":
    main()
