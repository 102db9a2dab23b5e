r"""JAFFE to a manifest, with its ten persons as subjects.

    python data_prep/jaffe.py jaffe/ OUT

Reads the files' names, e.g. KA.AN1.39.tiff: person, expression and take, number. All is
one training set; papers test on all of it after training elsewhere, or leave one
person out (`--protocol leave_one_subject_out` of the recipes).
"""

import pathlib

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import images_below

LABELS = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}


def faces(folder):
    """A `Face` for each image whose name is of the data set's form."""
    for name, reason in images_below(folder):
        if reason:
            yield name, reason
            continue
        parts = pathlib.PurePosixPath(name).stem.split(".")
        if len(parts) < 2 or len(parts[0]) != 2:
            yield name, "its name is not PERSON.EXPRESSION.NUMBER"
            continue
        yield Face(name, parts[1][:2], "", parts[0])


DATA_SET = DataSet(
    name="JAFFE",
    request="Get it from zenodo.org/records/3451524, on request to its authors.",
    notice=(
        "JAFFE: for non-commercial research only, on request to its authors; not to be "
        "passed on, few images may be printed, and papers must cite Lyons et al., 1998 "
        "and 2021."
    ),
    faces=faces,
    labels=LABELS,
    totals={"": 213},
    totals_source="the paper of omni-supervised FER (213 images of 10 persons)",
)


def main():
    program.main(program.Config, lambda config: DATA_SET, __doc__)


if __name__ == "__main__":
    main()
