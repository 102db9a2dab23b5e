"""Photos a second of the compiled MTCNN, beside the mtcnn package's.

    python tests/benchmarks/detection.py FOLDER

FOLDER holds photos. Both look at each photo, one after the other, in one process on
the same cores; the ratio is of the sums of seconds, and the median that of each photo.
Boxes (clipped to the photo, as the package does) and landmarks are compared.
"""

import pathlib
import sys
import time

import mtcnn
import numpy as np

from kerasfer.alignment import LANDMARKS
from kerasfer.detection.cascade import Cascade
from kerasfer.faces import read_image


def seconds(call, image):
    start = time.perf_counter()
    result = call(image)
    return time.perf_counter() - start, result


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


if __name__ == "__main__":
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.jpg"))
    images = [read_image(path) for path in paths]
    package, cascade = mtcnn.MTCNN().detect_faces, Cascade()
    for image in [*images[:3], *images[-3:]]:
        package(image), cascade(image)
    times, found, other_counts = [], [], 0
    for image in images:
        (slow, theirs), (fast, ours) = seconds(package, image), seconds(cascade, image)
        times.append((slow, fast))
        faces = differences(image, theirs, ours)
        other_counts += faces is None
        found += faces or []
    slow, fast = np.array(times).T
    box, points = np.array(found).T
    print(
        f"{len(images)} photos: package {len(images) / slow.sum():.1f} photos/s, "
        f"compiled {len(images) / fast.sum():.1f}, ratio {slow.sum() / fast.sum():.2f} "
        f"(median {np.median(slow / fast):.2f}). {len(found)} faces, {other_counts} "
        f"photos with another number; boxes within 1 pixel {np.mean(box <= 1):.1%}, "
        f"landmarks within 1.5 {np.mean(points <= 1.5):.1%}"
    )
