r"""MegaFace to a manifest of unlabelled faces, with who they are.

    python data_prep/megaface.py FlickrFinal2/ OUT
    python data_prep/megaface.py faces_megafacetrain/train.rec OUT --output tfrecord

Reads folders of persons (below them images, and of each maybe a .json of the detector,
which is not read), or train.rec, or a .lst of number, identity and path beside the
images: then only those are taken. The large-margin paper's sea is its first subset, of
about 311,000 faces.
"""

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet
from kerasfer.preparation.importing.identities import faces

DATA_SET = DataSet(
    name="MegaFace",
    request="It was withdrawn in 2020; who has it keeps to its agreement.",
    notice=(
        "MegaFace: photos of Flickr under their authors' Creative Commons licences, "
        "faces of third parties, withdrawn in 2020; for non-commercial research only, "
        "not to be passed on, and papers must cite Kemelmacher-Shlizerman et al., 2016."
    ),
    faces=faces,
    labels={"": ""},
    file_endings=(".rec",),
)


def main():
    program.main(program.Config, lambda config: DATA_SET, __doc__)


if __name__ == "__main__":
    main()
