"""The labelled faces of each class, which balancing methods ask for."""

import numpy as np


def checked_counts(class_counts, classifier=None):
    """The counts as float64 (num_classes,).

    Raises:
        ValueError: not a row of positive numbers, or not one a class of `classifier`.
    """
    counts = np.asarray(class_counts, np.float64)
    if counts.ndim != 1 or not len(counts) or not (counts > 0).all():
        raise ValueError(
            "`class_counts` must be the labelled faces of each class, all at least 1, "
            f"e.g. np.bincount(split.labeled.labels). Received: {class_counts}."
        )
    if classifier is not None:
        num_classes = classifier.output["logits"].shape[-1]
        if num_classes != len(counts):
            raise ValueError(
                f"`class_counts` has {len(counts)} entries, the classifier "
                f"{num_classes} classes."
            )
    return counts
