"""Predictions of an exported model, whatever its format."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from kerasfer.deploy.export.description import Description
from kerasfer.deploy.export.formats import FILES
from kerasfer.deploy.export.running import RUNNERS
from kerasfer.deploy.safe_loading import (
    MOST_BYTES,
    UnsafeModelError,
    check_model,
    damage_refused,
)
from kerasfer.types import Array, PathLike
from kerasfer.vision.images import as_image, resize, with_channels


def load(path: PathLike, most_bytes: int = MOST_BYTES) -> "Predictor":
    """A `Predictor` of an export.

    Args:
        path: the folder of an export (of several formats in it, the first of
            SavedModel, Keras, ONNX and LiteRT is taken), a SavedModel's own folder, or
            a .keras, .onnx or .tflite file of an export.
        most_bytes: refuse what is larger.

    Raises:
        FileNotFoundError: nothing is there.
        UnsafeModelError: it is no export, could do more than compute, is damaged or too
            large; with the reason.

    >>> predictor = load("exported")  # doctest: +SKIP
    """
    return Predictor(path, most_bytes)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says of n faces.

    Attributes:
        names: of the classes, or of the action units, K of them.
        probs: float32 (n, K), calibrated.
        decisions: bool (n, K): the most probable class, or the units that are present.
    """

    names: tuple
    probs: np.ndarray
    decisions: np.ndarray

    def __len__(self):
        return len(self.probs)

    def __getitem__(self, rows):
        """The predictions for some faces, a slice of them."""
        return Predictions(self.names, self.probs[rows], self.decisions[rows])

    @property
    def labels(self) -> Any:
        """For each face the names that were decided for, joined by "+"; one name for
        expressions, any number, or none, for action units."""
        return [
            "+".join(np.array(self.names)[decided].tolist())
            for decided in self.decisions
        ]


class Predictor:
    """An exported model as a function from faces to `Predictions`.

    >>> predictor = Predictor("exported")  # doctest: +SKIP
    >>> predictor([face, another_face]).labels  # doctest: +SKIP
    ['happiness', 'neutral']

    Attributes:
        description: a `kerasfer.deploy.export.Description`.

    Args:
        path, most_bytes: see `load`.
        batch_size: faces a call of the model.
    """

    def __init__(
        self, path: PathLike, most_bytes: int = MOST_BYTES, batch_size: int = 64
    ) -> None:
        form, path = _located(pathlib.Path(path))
        self.description = _description(path, check_model(form, path, most_bytes))
        self.form, self.path, self.batch_size = form, path, batch_size
        with damage_refused(path):
            self.running = RUNNERS[form](path, self.description)

    def __call__(self, images):
        """The predictions for faces.

        Args:
            images: faces cut out as in training (see `description.crop` and
                `kerasfer.vision.alignment.cut_out`): a sequence of uint8 arrays
                (height, width, 1 or 3), RGB or grey, of any sizes; or one array (n,
                height, width, 1 or 3).

        Returns:
            `Predictions`, in the order of the images.

        Raises:
            ValueError: images of another shape or dtype.
        """
        names = self.description.names
        batches = [self.running.predict(batch) for batch in self._batches(images)]
        if not batches:
            nothing = np.zeros((0, len(names)), np.float32)
            return Predictions(names, nothing, nothing > 0)
        found = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
        probs, decisions = found["probs"], found.get("decisions")
        if decisions is None:
            decisions = np.eye(len(names), dtype=bool)[probs.argmax(-1)]
        return Predictions(names, probs, decisions)

    def embed(self, images: Array) -> Array:
        """The embeddings of faces, at least one, as `__call__` takes them.

        Returns:
            float32 (n, width).
        """
        return np.concatenate(
            [self.running.embed(batch) for batch in self._batches(images)]
        )

    def _batches(self, images):
        faces = [self._face(image) for image in images]
        for start in range(0, len(faces), self.batch_size):
            yield np.stack(faces[start : start + self.batch_size])

    def _face(self, image):
        image = as_image(image)
        height, width, channels = self.description.image_shape
        return resize(with_channels(image, channels), (height, width))


def _description(path, text):
    if text is None:
        raise UnsafeModelError(
            f"{path} is refused: it does not say what it is. Export it with "
            "`kerasfer export`, or kerasfer.deploy.export.export_classifier."
        )
    try:
        return Description.from_json(text)
    except ValueError as error:
        raise UnsafeModelError(f"{path} is refused: {error}") from None


def _located(path):
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist. Expected what `kerasfer export` wrote: a folder, "
            f"or one of {', '.join(FILES.values())} in it."
        )
    if (path / "saved_model.pb").exists():
        return "saved_model", path
    if path.is_dir():
        for form in ("saved_model", "keras", "onnx", "litert"):
            if (path / FILES[form]).exists():
                return form, path / FILES[form]
    for form, name in FILES.items():
        if path.is_file() and path.suffix == pathlib.Path(name).suffix:
            return form, path
    raise UnsafeModelError(
        f"{path} is refused: it is no export. Expected a folder with one of "
        f"{', '.join(FILES.values())}, or one of these."
    )
