"""Rendered faces as images and a manifest: expressions, action units, subjects known.

    python data_prep/render_faces.py OUT --num-faces 10000
    python data_prep/render_faces.py OUT --domain posed --size 112 --intensity 0.8 1.0

Writes OUT/images/*.png, OUT/manifest.csv (path, label, subject, split, AU1, ...) and
OUT/contact_sheet.png. The same seed gives the same labels and parameters everywhere.
"""

import dataclasses
import pathlib
import shutil
import sys
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import tyro
from tqdm import tqdm

from kerasfer.data.synthetic import ACTION_UNITS, render
from kerasfer.vision.images import EXPRESSIONS, cv2

_CHUNK = 500
_SHEET_COLUMNS = 12


@dataclasses.dataclass(frozen=True)
class Config:
    out: Annotated[pathlib.Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """New folder for images, manifest.csv and contact_sheet.png."""
    num_faces: int = 10000
    """How many faces."""
    seed: int = 0
    """Of everything."""
    size: int = 48
    """Side in pixels, 48 to 224."""
    channels: Literal[3, 1] = 3
    """Colour or grey."""
    domain: Literal["wild", "posed"] = "wild"
    """posed: frontal, even light; wild: turned, side light, blur, noise, occlusion."""
    class_weights: tuple[float, ...] | None = None
    """Relative frequency of neutral, happiness, surprise, sadness, anger, disgust,
    fear, contempt."""
    intensity: tuple[float, float] = (0.5, 1.0)
    """Lowest and highest strength of an expression, in [0, 1]."""
    num_subjects: int = 1000
    """Identities to draw from."""
    label_noise: float = 0.0
    """Chance of a wrong label."""
    test_share: float = 0.2
    """Share of subjects whose faces are the test set."""


def main():
    config = tyro.cli(Config, description=__doc__)
    try:
        write(config)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def write(config):
    """Writes the output folder whole, or not at all."""
    out = config.out
    if out.exists():
        raise ValueError(f"{out} exists. Choose a new folder; nothing was changed.")
    if config.num_faces < 1 or config.num_subjects < 1:
        raise ValueError("--num-faces and --num-subjects must be at least 1.")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".writing-{out.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        (temporary / "images").mkdir(parents=True)
        rows = []
        with tqdm(total=config.num_faces, unit="face", disable=None) as bar:
            for first in range(0, config.num_faces, _CHUNK):
                chunk = _render_chunk(config, first)
                if first == 0:
                    _write_image(temporary / "contact_sheet.png", _sheet(*chunk[:2]))
                rows += _write_chunk(temporary, first, *chunk, config)
                bar.update(len(chunk[0]))
        pd.DataFrame(rows).to_csv(temporary / "manifest.csv", index=False)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f"Wrote {out / 'manifest.csv'} and {out / 'contact_sheet.png'}.")


def _render_chunk(config, first):
    return render(
        min(_CHUNK, config.num_faces - first),
        config.seed,
        size=config.size,
        channels=config.channels,
        domain=config.domain,
        class_weights=config.class_weights,
        intensity=config.intensity,
        num_subjects=config.num_subjects,
        label_noise=config.label_noise,
        first=first,
    )


def _write_chunk(folder, first, images, labels, action_units, subjects, config):
    rows = []
    for i, image in enumerate(images):
        path = f"images/{first + i:07d}.png"
        _write_image(folder / path, image)
        tested = subjects[i] < config.test_share * config.num_subjects
        units = zip(ACTION_UNITS, action_units[i], strict=True)
        rows.append(
            {
                "path": path,
                "label": EXPRESSIONS[labels[i]],
                "subject": f"s{subjects[i]:05d}",
                "split": "test" if tested else "train",
                **{f"AU{number}": round(float(value), 3) for number, value in units},
            }
        )
    return rows


def _sheet(images, labels):
    """A row of faces per expression."""
    rows = []
    for k in range(len(EXPRESSIONS)):
        row = list(images[labels == k][:_SHEET_COLUMNS])
        row += [np.zeros_like(images[0])] * (_SHEET_COLUMNS - len(row))
        rows.append(np.concatenate(row, 1))
    return np.concatenate(rows, 0)


def _write_image(path, image):
    if image.shape[2] == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), image):
        raise OSError(f"cannot write {path}: disk full or read-only?")


if __name__ == "__main__":
    main()
