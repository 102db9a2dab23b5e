r"""AffectNet to a manifest: the release of 2017, or that of March 2021.

    python data_prep/affectnet.py AffectNet/ OUT

The releases are told apart by their files: 2017 has training.csv and validation.csv
beside Manually_Annotated_Images/, 2021 has train_set/ and val_set/ with images/ and
annotations/*_exp.npy. Both number the expressions alike, and differently from FER2013,
FER+ and RAF-DB. "None", "uncertain" and "no face" of 2017 are left out. The test set
is not public: the validation set is called test here, as papers use it.
"""

import numpy as np

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import found_below
from kerasfer.preparation.tables import opened_table
from kerasfer.vision.files import visible

LABELS = {
    "0": "neutral",
    "1": "happiness",
    "2": "sadness",
    "3": "surprise",
    "4": "fear",
    "5": "disgust",
    "6": "anger",
    "7": "contempt",
    "8": None,  # none
    "9": None,  # uncertain
    "10": None,  # no face
}


def faces(folder):
    """A `Face` for each annotated image, of whichever release it is."""
    try:
        training = found_below(folder, "train_set", "train_set (release of 2021)")
    except FileNotFoundError:
        yield from _of_2017(folder)
        return
    for split, part in (("train", training), ("test", training.parent / "val_set")):
        yield from _of_2021(folder, part, split)


def _of_2021(folder, part, split):
    for annotation in sorted(visible(part.glob("annotations/*_exp.npy"), part)):
        stem = annotation.name.removesuffix("_exp.npy")
        path = (part / "images" / f"{stem}.jpg").relative_to(folder).as_posix()
        try:
            # Written by NumPy as a text or a number; nothing pickled is read.
            label = str(int(np.load(annotation, allow_pickle=False)))
        except (ValueError, EOFError, OSError) as error:
            yield path, f"its annotation cannot be read: {error}"
            continue
        yield Face(path, label, split)


def _of_2017(folder):
    expected = "training.csv (2017) or train_set/ (2021)"
    training = found_below(folder, "training.csv", expected)
    images = found_below(
        folder, "Manually_Annotated_Images", "the folder of the manual annotations"
    )
    for split, name in (("train", "training.csv"), ("test", "validation.csv")):
        columns = ("subDirectory_filePath", "expression")
        with opened_table(training.parent / name, columns=columns) as rows:
            for row in rows:
                if None in row.values():
                    yield f"{name}, line {rows.line_num}", "its row is too short"
                    continue
                path = images / row["subDirectory_filePath"]
                label = row["expression"].strip()
                yield Face(path.relative_to(folder).as_posix(), label, split)


DATA_SET = DataSet(
    name="AffectNet",
    request="Ask its authors (mohammadmahoor.com/pages/databases/affectnet).",
    notice=(
        "AffectNet: for research only, on request to its authors; not to be passed on, "
        "and papers must cite Mollahosseini, Hasani and Mahoor, TAFFC 2017."
    ),
    labels=LABELS,
    faces=faces,
)


def main():
    program.main(program.Config, lambda config: DATA_SET, __doc__)


if __name__ == "__main__":
    main()
