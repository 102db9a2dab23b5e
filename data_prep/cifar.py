r"""CIFAR-10 or CIFAR-100 to a manifest, from the official binary version.

    python data_prep/cifar.py cifar-10-binary.tar.gz OUT
    python data_prep/cifar.py cifar-100-binary.tar.gz OUT

Reads data_batch_1.bin to data_batch_5.bin and test_batch.bin, or train.bin and test.bin
(then the labels are the hundred fine ones). The version for Python is made of pickles,
which can run any code, and is refused.
"""

import functools

import numpy as np

from kerasfer.preparation.importing import program
from kerasfer.preparation.importing.data_set import DataSet, Face
from kerasfer.preparation.importing.source import found_below
from kerasfer.vision.images import cv2

_PIXELS = 3 * 32 * 32


def faces(folder):
    """A `Face` for each image of the files of one of the two sets."""
    root, names, files, labels = _layout(folder)
    for split, name in files:
        data = np.fromfile(root / name, np.uint8)
        if data.size % (labels + _PIXELS):
            raise ValueError(
                f"{root / name} is cut off: {data.size} bytes are not a number of "
                f"records of {labels + _PIXELS}."
            )
        for number, record in enumerate(data.reshape(-1, labels + _PIXELS)):
            label = int(record[labels - 1])  # of CIFAR-100 the coarse one comes first
            yield Face(
                f"{split}/{name.removesuffix('.bin')}_{number:05d}.png",
                names[label] if label < len(names) else str(label),
                split,
                encoded=functools.partial(_png, record[labels:]),
                called=f"{name}, record {number}",
            )


def _layout(folder):
    """Folder of the files, names of the classes, (split, file) pairs, bytes of labels.

    Raises:
        FileNotFoundError, ValueError: neither of the two binary versions.
    """
    if any(folder.rglob("data_batch_1")) or any(folder.rglob("cifar-100-python")):
        raise ValueError(
            f"{folder} is the version for Python, made of pickles, which can run any "
            "code. Get the binary version (cifar-10-binary.tar.gz)."
        )
    if any(folder.rglob("fine_label_names.txt")):
        listed = found_below(folder, "fine_label_names.txt", "the names of the classes")
        files, labels = [("train", "train.bin"), ("test", "test.bin")], 2
    else:
        listed = found_below(
            folder, "batches.meta.txt", "a binary version of CIFAR-10 or CIFAR-100"
        )
        files = [("train", f"data_batch_{k}.bin") for k in range(1, 6)]
        files, labels = [*files, ("test", "test_batch.bin")], 1
    return listed.parent, listed.read_text().split(), files, labels


def _png(record):
    image = record.reshape(3, 32, 32).transpose(1, 2, 0)
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


DATA_SET = DataSet(
    name="CIFAR-10 or CIFAR-100",
    request="Get the binary version from www.cs.toronto.edu/~kriz/cifar.html.",
    notice=(
        "CIFAR-10 and CIFAR-100: small images collected from the web; papers must cite "
        "Krizhevsky, 2009."
    ),
    faces=faces,
    totals={"train": 50000, "test": 10000},
    totals_source="the sets' page (50,000 for training, 10,000 for the test)",
)


def main():
    program.main(program.Config, lambda config: DATA_SET, __doc__)


if __name__ == "__main__":
    main()
