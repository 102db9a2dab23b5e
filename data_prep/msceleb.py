r"""MS-Celeb-1M to a manifest of unlabelled faces, with who they are.

    python data_prep/msceleb.py FaceImageCroppedWithAlignment.tsv OUT --output tfrecord
    python data_prep/msceleb.py faces_ms1m-refine-v2/ OUT --output tfrecord

Reads the tables of base64 of its first release, the RecordIO (train.rec) of its cleaned
ones, folders of persons, or a .lst of number, identity and path beside the images. The
sea of omni-supervised FER is 5.8 million of its faces: take `--output tfrecord`.
"""

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet
from kerasfer.preparation.importing.identities import faces

DATA_SET = DataSet(
    name="MS-Celeb-1M",
    request="Microsoft withdrew it in 2019; cleaned versions are with their authors.",
    notice=(
        "MS-Celeb-1M: photos of third parties, withdrawn by Microsoft in 2019; for "
        "non-commercial research only, not to be passed on, and papers must cite Guo "
        "et al., ECCV 2016."
    ),
    faces=faces,
    labels={"": ""},
    file_endings=(".rec", ".tsv"),
)


def main():
    program.main(program.Config, lambda config: DATA_SET, __doc__)


if __name__ == "__main__":
    main()
