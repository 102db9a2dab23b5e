"""Weak + strong pairs per second on one core, ours beside Pillow and torchvision.

    python tests/benchmarks/views.py

The other side is the loader of the FER papers: decode by Pillow, RandAugment(3)
with Cutout on the Pillow image, torchvision's resize, random crop, flip, to tensor
and normalisation, for a weak and a strong view of each image. Ours: decode by OpenCV
and the views of `kerasfer.augment`, uint8 to the end (the classifier normalises).
Both in plain Python on one thread; medians of five repetitions, taken in turns.
torch and torchvision are not requirements: install them for this comparison.
"""

import io
import pathlib
import random
import statistics
import sys
import time

from PIL import Image, ImageDraw

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from test_augment_ops import PILLOW, face_like

from kerasfer.augment import strong_view, weak_view
from kerasfer.faces import cv2, decode_image

IMAGES, REPETITIONS = 200, 5


def jpegs(side):
    faces = [face_like(side, side, 3, seed) for seed in range(IMAGES)]
    return [cv2.imencode(".jpg", face)[1].tobytes() for face in faces]


def ours(encoded, size):
    for seed, data in enumerate(encoded):
        image = decode_image(data, "face.jpg")
        weak_view(image, seed, (size, size))
        strong_view(image, seed, (size, size))


def pillow_rand_augment(image):
    for operation, low, high in random.choices(list(PILLOW.values()), k=3):
        image = operation(image, low + (high - low) * random.random())
    side = 0.5 * random.random() * image.width
    x, y = random.random() * image.width, random.random() * image.height
    x, y = max(0, x - side / 2), max(0, y - side / 2)
    box = (x, y, min(image.width, x + side), min(image.height, y + side))
    image = image.copy()
    ImageDraw.Draw(image).rectangle(box, (125, 123, 114))
    return image


def load_torchvision():
    """The module `torchvision.transforms`, or None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    # torchvision registers kernels for these two, which a torch without them lacks.
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor")
    try:
        from torchvision import transforms
    except ImportError:
        return None
    torch.set_num_threads(1)
    return transforms


def papers_loader(transforms, size):
    to_tensor = transforms.Compose(
        [
            transforms.Resize(size),
            transforms.RandomApply(
                [transforms.RandomCrop(size, padding=round(size * 8 / 224))]
            ),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )

    def load(encoded):
        for data in encoded:
            image = Image.open(io.BytesIO(data)).convert("RGB")
            to_tensor(image)
            to_tensor(pillow_rand_augment(image))

    return load


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return IMAGES / (time.perf_counter() - start)


def main():
    cv2.setNumThreads(1)
    random.seed(0)
    transforms = load_torchvision()
    print("| image | view | ours, pairs/s | Pillow + torchvision | ratio |")
    print("|---|---|---|---|---|")
    for side, size in ((48, 48), (100, 224)):
        encoded = jpegs(side)
        if transforms is None:
            print(f"| {side} | {size} | {timed(ours, encoded, size):.0f} | absent | |")
            continue
        theirs, rates = papers_loader(transforms, size), ([], [])
        for _ in range(REPETITIONS):
            rates[0].append(timed(ours, encoded, size))
            rates[1].append(timed(theirs, encoded))
        mine, other = map(statistics.median, rates)
        print(f"| {side} | {size} | {mine:.0f} | {other:.0f} | {mine / other:.1f} |")


if __name__ == "__main__":
    main()
