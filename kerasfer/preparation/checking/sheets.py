"""A contact sheet for each class: are these the faces that the label says?"""

import numpy as np

from kerasfer.vision.images import cv2, resize

_SIDE, _COLUMNS, _ROWS = 64, 12, 6


def draw_sheets(folder, manifest, looks):
    """sheet_<class>.png: evenly spaced faces of a class, at most 72."""
    rows = np.array([look.row for look in looks], int)
    labels = manifest.labels[rows] if len(rows) else rows
    for label in np.unique(labels):
        name = manifest.class_names[label] if label >= 0 else "unlabelled"
        of_class = rows[labels == label]
        count = min(len(of_class), _COLUMNS * _ROWS)
        some = of_class[np.linspace(0, len(of_class) - 1, count).astype(int)]
        faces = [_square(manifest.image(row, channels=3)) for row in some]
        faces += [np.zeros_like(faces[0])] * (-len(faces) % _COLUMNS)
        lines = [
            np.hstack(faces[i : i + _COLUMNS]) for i in range(0, len(faces), _COLUMNS)
        ]
        sheet = cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR)
        safe = "".join(c if c.isalnum() else "_" for c in name)
        cv2.imencode(".png", sheet)[1].tofile(folder / f"sheet_{safe}.png")


def _square(image):
    """The image within a square, its shape kept."""
    height, width = image.shape[:2]
    scale = _SIDE / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    canvas = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    canvas[: size[0], : size[1]] = resize(image, size)
    return canvas
