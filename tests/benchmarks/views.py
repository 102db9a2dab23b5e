"""Weak + strong pairs per second on one core, ours beside the FER papers' loader.

    python tests/benchmarks/views.py

Theirs: decode by Pillow, RandAugment(3) with Cutout on the Pillow image, torchvision's
resize, random crop, flip, to tensor and normalisation, for a weak and a strong view of
each image. Ours: decode by OpenCV and the views of `kerasfer.augment`, uint8 to the end
(the classifier normalises). Both in plain Python on one thread, in turns. That our
operations are Pillow's is tested in tests/test_augment_ops.py.
"""

import io
import pathlib
import random
import sys

import pytorch
from PIL import Image, ImageDraw
from rows import Row, faster, in_turns, rate

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from test_augment_ops import PILLOW, face_like

from kerasfer.augment import strong_view, weak_view
from kerasfer.vision.images import cv2, decode_image

_IMAGES, _REPETITIONS = 200, 15


def jpegs(side):
    faces = [face_like(side, side, 3, seed) for seed in range(_IMAGES)]
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


def measure(modules, side, size, at_least):
    encoded = jpegs(side)
    ways = {"ours": lambda: ours(encoded, size)}
    if modules is not None:
        load = papers_loader(modules[1].transforms, size)
        ways["theirs"] = lambda: load(encoded)
    times = in_turns(ways, _REPETITIONS)
    against, ratio = pytorch.ABSENT, None
    if modules is not None:
        against = f"Pillow + torchvision: {rate(_IMAGES, times['theirs']):,.0f}"
        ratio = faster(times, "ours", "theirs")
    Row(
        f"weak + strong pair, {side} px JPEG -> {size} px, one core",
        f"{rate(_IMAGES, times['ours']):,.0f} pairs/s",
        against,
        ratio,
        at_least,
    ).show()


def main():
    cv2.setNumThreads(1)
    random.seed(0)
    modules = pytorch.load()
    if modules is not None:
        modules[0].set_num_threads(1)
    measure(modules, 100, 224, 4.0)
    measure(modules, 48, 48, 3.0)


if __name__ == "__main__":
    main()
