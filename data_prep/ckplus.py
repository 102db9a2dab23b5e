r"""CK+ to a manifest, by the protocol of first and last frames or of last three.

    python data_prep/ckplus.py CK+/ OUT
    python data_prep/ckplus.py CK+/ OUT_3 --last-three

Reads cohn-kanade-images/S*/*/*.png and Emotion/S*/*/*_emotion.txt. Of each labelled
sequence the first frame is neutral and the last one, or the last three, show the
expression; by the first protocol (of Ada-CM and ReMoP: 636 images, 7 classes) contempt
is left out, by the second (omni-supervision: 1,308 images) it is not. All is one
training set: papers test on all of it after training elsewhere, or over 10 folds by
subject (`--protocol folds:k=10` of the recipes).
"""

import dataclasses
import functools

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import found_below
from kerasfer.vision.files import visible

LABELS = {
    "0": "neutral",
    "1": "anger",
    "2": "contempt",
    "3": "disgust",
    "4": "fear",
    "5": "happiness",
    "6": "sadness",
    "7": "surprise",
}
_COUNTS = {"first and last": 636, "last three": 1308}


def faces(folder, last_three=False):
    """`Face`s of each labelled sequence."""
    images = found_below(folder, "cohn-kanade-images", "the images of CK+, unpacked")
    emotions = found_below(folder, "Emotion", "the labels of CK+, unpacked")
    for annotation in sorted(visible(emotions.glob("S*/*/*_emotion.txt"), emotions)):
        subject, sequence = annotation.parts[-3:-1]
        frames = (images / subject / sequence).glob("*.png")
        frames = sorted(visible(frames, images))
        name = f"{subject}/{sequence}"
        if len(frames) < 4:
            yield name, f"{len(frames)} frames; expected 4 at least"
            continue
        try:
            label = str(int(float(annotation.read_text())))
        except (ValueError, OverflowError):
            yield name, f"{annotation.name} holds no number"
            continue
        chosen = [(frames[0], "0")]
        if last_three:
            chosen += [(frame, label) for frame in frames[-3:]]
        elif LABELS.get(label) != "contempt":
            chosen += [(frames[-1], label)]
        for frame, of_frame in chosen:
            path = frame.relative_to(folder).as_posix()
            yield Face(path, of_frame, "", subject)


def data_set(last_three=False):
    protocol = "last three" if last_three else "first and last"
    return DataSet(
        name=f"CK+ ({protocol} frames; papers have {_COUNTS[protocol]} images)",
        request="Ask its authors (jeffcohn.net/Resources).",
        notice=(
            "CK+: for research only, by an agreement with its authors; not to be "
            "passed on, few subjects may be printed, and papers must cite Lucey et "
            "al., 2010."
        ),
        labels=LABELS,
        faces=functools.partial(faces, last_three=last_three),
    )


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    last_three: bool = False
    """Neutral and the last three frames of each sequence, contempt among them."""


def main():
    program.main(Config, lambda config: data_set(config.last_three), __doc__)


if __name__ == "__main__":
    main()
