"""Photos a second of the compiled MTCNN, beside the mtcnn package's.

    python tests/benchmarks/detection.py FOLDER

FOLDER holds photos. Both look at each photo, one after the other, in one process on
the same cores; the ratio is of the sums of seconds.
Boxes (clipped to the photo, as the package does) and landmarks are compared.
"""

import functools
import pathlib
import sys

import mtcnn
import numpy as np
from rows import Row, seconds

from kerasfer.vision.alignment import LANDMARKS
from kerasfer.vision.detection.cascade import Cascade
from kerasfer.vision.images import read_image


def differences(image, theirs, ours):
    """Largest of each face's box and landmarks, in pixels; None for another count."""
    if len(theirs) != len(ours.boxes):
        return None
    end = np.array(image.shape[1::-1]) - 1
    found = []
    for i, face in enumerate(theirs):
        low, high = (np.clip(ours.boxes[i, k : k + 2], 0, end) for k in (0, 2))
        box = np.abs(np.array(face["box"]) - np.concatenate([low, high - low])).max()
        points = np.array([face["keypoints"][name] for name in LANDMARKS])
        found.append((box, np.abs(points - ours.landmarks[i]).max()))
    return found


def main(folder):
    paths = sorted(pathlib.Path(folder).glob("*.jpg"))
    images = [read_image(path) for path in paths]
    package, cascade = mtcnn.MTCNN().detect_faces, Cascade()
    for image in [*images[:3], *images[-3:]]:
        package(image), cascade(image)
    times, found, other_counts = [], [], 0
    for image in images:
        (slow, theirs), (fast, ours) = (
            seconds(functools.partial(call, image)) for call in (package, cascade)
        )
        times.append((slow, fast))
        faces = differences(image, theirs, ours)
        other_counts += faces is None
        found += faces or []
    slow, fast = np.array(times).T
    box, points = np.array(found).T
    Row(
        f"MTCNN, {len(images)} photos one at a time",
        f"{len(images) / fast.sum():.1f} photos/s",
        f"the mtcnn package: {len(images) / slow.sum():.1f}",
        slow.sum() / fast.sum(),
        4.0,
    ).show()
    print(
        f"{len(found)} faces, {other_counts} photos with another number; boxes within "
        f"1 pixel {np.mean(box <= 1):.1%}, landmarks within 1.5 "
        f"{np.mean(points <= 1.5):.1%}"
    )


if __name__ == "__main__":
    main(sys.argv[1])
