"""What a model makes of some faces: the surest and the least sure, and their points."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Inspected:
    """Faces beside what a model says of them.

    Attributes:
        images: uint8 (n, height, width, 3).
        labels: int (n,), -1 = unknown; or float (n, num_aus), -1 = not annotated.
        probs: float32 (n, outputs), of the classifier that is evaluated.
        embeddings: float32 (n, width).
        names: of the outputs.
        task: "expressions" or "action_units".
    """

    images: np.ndarray
    labels: np.ndarray
    probs: np.ndarray
    embeddings: np.ndarray
    names: tuple
    task: str = "expressions"

    @property
    def confidence(self):
        """Of each face, float (n,): the largest probability; of action units the mean
        over units of the larger one of present and absent."""
        if self.task == "expressions":
            return self.probs.max(-1)
        return np.maximum(self.probs, 1 - self.probs).mean(-1)

    @property
    def said(self):
        """Of each face, a text: the class, or the units that are present."""
        if self.task == "expressions":
            return [self.names[k] for k in self.probs.argmax(-1)]
        return [self._units(row >= 0.5) for row in self.probs]

    @property
    def known(self):
        """Of each face, a text as of `said`, of its label; "" where unknown."""
        if self.task == "expressions":
            return [self.names[k] if k >= 0 else "" for k in self.labels]
        return [self._units(r >= 0.5) if (r >= 0).any() else "" for r in self.labels]

    def surest(self, count):
        """Row numbers of the surest faces, the surest first."""
        return np.argsort(-self.confidence, kind="stable")[:count]

    def least_sure(self, count):
        """Row numbers of the least sure faces, the least sure first."""
        return np.argsort(self.confidence, kind="stable")[:count]

    def surest_errors(self, count):
        """Row numbers of faces of known label that are taken for something else."""
        pairs = zip(self.said, self.known, strict=True)
        wrong = np.array([bool(k) and said != k for said, k in pairs], bool)
        rows = self.surest(len(wrong))
        return rows[wrong[rows]][:count]

    def _units(self, present):
        units = [n for n, is_there in zip(self.names, present, strict=True) if is_there]
        return " ".join(units) or "none"


def inspect(model, dataset, names, task="expressions"):
    """What the classifier that is evaluated makes of a data set.

    Args:
        model: a scheme.
        dataset: of (image, label), as of `kerasfer.data.evaluation_dataset`.
        names: of the outputs: classes, or action units.
        task: "expressions" or "action_units".

    Returns:
        an `Inspected`; all of the data set is held in memory.

    Raises:
        ValueError: the data set is empty.

    >>> seen = inspect(model, evaluation_dataset(split.validation), names)
    """
    parts = [(images, labels, model.infer(images)) for images, labels in dataset]
    if not parts:
        raise ValueError("Expected a data set with at least one face. Received: none.")
    images, labels, outputs = zip(*parts, strict=True)
    return Inspected(
        np.concatenate(images),
        np.concatenate(labels),
        np.concatenate([output["probs"] for output in outputs]),
        np.concatenate([output["embedding"] for output in outputs]),
        tuple(names),
        task,
    )
