r"""RAF-DB (basic expressions) to a manifest, in the aligned or the original images.

    python data_prep/rafdb.py basic/ OUT
    python data_prep/rafdb.py basic/ OUT_ORIGINAL --original

Reads EmoLabel/list_patition_label.txt (labels 1 to 7), Image/aligned/*_aligned.jpg or
Image/original, and where it is there Annotation/manual/*_manu_attri.txt: gender, race
and age of the person, for metrics by subgroup.
"""

import dataclasses
import functools

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import found_below
from kerasfer.preparation.tables import lines_of

# The label file's numbers; others number from 0, or in another order.
LABELS = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happiness",
    "5": "sadness",
    "6": "anger",
    "7": "neutral",
}
_GENDER = ("male", "female", "unsure")
_RACE = ("Caucasian", "African-American", "Asian")
_AGE = ("0-3", "4-19", "20-39", "40-69", "70+")
_TRAIN = (1290, 281, 717, 4772, 1982, 705, 2524)
_TEST = (329, 74, 160, 1185, 478, 162, 680)


def faces(folder, original=False):
    """A `Face` for each line of the label file."""
    listed = found_below(
        folder, "list_patition_label.txt", "basic/EmoLabel/list_patition_label.txt"
    )
    kind = "original" if original else "aligned"
    images = found_below(folder, kind, f"basic/Image/{kind}, unpacked")
    for line in lines_of(listed):
        name, _, label = line.partition(" ")
        stem = name.removesuffix(".jpg")
        split = {"train": "train", "test": "test"}.get(stem.partition("_")[0])
        if split is None:
            yield name, "its name begins with neither train_ nor test_"
            continue
        file = name if original else f"{stem}_aligned.jpg"
        path = (images / file).relative_to(folder).as_posix()
        yield Face(path, label, split, attributes=_attributes(folder, listed, stem))


def _attributes(folder, listed, stem):
    """Of the person; empty where the annotation is not there."""
    annotation = listed.parent.parent / "Annotation/manual" / f"{stem}_manu_attri.txt"
    if not annotation.is_file():
        return {}
    # Five landmarks, then three numbers, a line each.
    numbers = annotation.read_text().split()[-3:]
    known = (("gender", _GENDER), ("race", _RACE), ("age", _AGE))
    try:
        named = zip(known, map(int, numbers), strict=True)
        return {name: dict(enumerate(values))[k] for (name, values), k in named}
    except (KeyError, ValueError):
        raise ValueError(
            f"{annotation}: expected three numbers at its end, gender below "
            f"{len(_GENDER)}, race below {len(_RACE)}, age below {len(_AGE)}. "
            f"Received: {' '.join(numbers) or 'nothing'}."
        ) from None


def data_set(original=False):
    return DataSet(
        name="RAF-DB",
        request="Ask whdeng@bupt.edu.cn for the basic set (whdeng.cn/RAF/model1.html).",
        notice=(
            "RAF-DB: for non-commercial research only, on request to its authors; not "
            "to be passed on, and papers must cite Li, Deng and Du, CVPR 2017."
        ),
        labels=LABELS,
        faces=functools.partial(faces, original=original),
        attributes=("gender", "race", "age"),
        totals={
            split: dict(zip(LABELS.values(), counts, strict=True))
            for split, counts in (("train", _TRAIN), ("test", _TEST))
        },
        totals_source="RAF-DB's papers (12,271 for training, 3,068 for the test)",
    )


@dataclasses.dataclass(frozen=True)
class Config(program.Config):
    original: bool = False
    """The original images, instead of the aligned ones."""


def main():
    program.main(Config, lambda config: data_set(config.original), __doc__)


if __name__ == "__main__":
    main()
