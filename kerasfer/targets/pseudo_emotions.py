"""Which emotion a face's action units speak for."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kerasfer.action_units import EMOTIONET, prototype_weights
from kerasfer.types import Tensor

NORMS = ("count", "sqrt", "contrast", "standard")


def pseudo_emotion_scores(
    au: Tensor,
    table: str = "emfacs",
    norm: str = "sqrt",
    au_names: Sequence[str] = EMOTIONET,
) -> Tensor:
    """How much a face's action units look like each emotion.

        p_k = sum_m w_km a_m / sum_m w_km                            ("count")
        p_k = sum_m w_km a_m / sqrt(sum_m w_km^2)                    ("sqrt")
        p_k = "count" less the mean of the units with w_km = 0       ("contrast")
        p_k = sqrt(12) sum_m w_km (a_m - 1/2) / sqrt(sum_m w_km^2)   ("standard")

    with w the table, restricted to `au_names`. "count" is the paper's. **Its trap**:
    sadness {1, 4}, surprise {1, 2, 5, 26} and anger {4, 5} are all subsets of fear {1,
    2, 4, 5, 20, 26}: a face of fear scores 1 in all four, and with real outputs, where
    some of its units are weaker than others, fear is rarely the largest. With "sqrt",
    the cosine to the prototype but for the length of `au`, each prototype scores
    highest for itself. A neutral face (all units near 0) has a largest score too: see
    `lowest_score` of `kerasfer.schemes.PseudoEmotion`.

    "standard" has mean 0 and deviation 1 for each emotion where units are uniform
    noise. It is the most balanced: of noise and of 2,500 annotated rendered faces, one
    emotion gets at most 24 % each (table "emfacs"); with "sqrt" 76 % of noise goes to
    fear, with "count" 32 % to disgust and 1 % of the annotated faces to fear. A face
    without strong units has negative scores: `lowest_score=0` leaves it out.

    Source: Racoviteanu et al., BMVC 2019, Eq. 6 and section 3.2. Our deviation: the
    default "sqrt".

    Args:
        au: float (batch, num_aus), intensities or probabilities in [0, 1].
        table: "emfacs", "facs" or "du" (see `kerasfer.action_units`), or a dict of
            your own: emotion -> unit numbers, or emotion -> {unit number: weight}.
        norm: "count", "sqrt", "contrast" or "standard".
        au_names: names of the columns of `au`, e.g. ("AU1", "AU12"). Units of the table
            that are not among them are left out.

    Returns:
        float32 (batch, num_emotions), in the order of the table. In [0, 1] for "count",
        [0, sqrt(number of units)] for "sqrt", [-1, 1] for "contrast", of either sign
        for "standard".

    Raises:
        ValueError: an unknown table or norm, an emotion of which no unit is among the
            columns, two emotions that share all of theirs, another width of `au`.

    >>> fear = [[1., 1., 1., 1., 0., 0., 0., 0., 1., 0., 1., 0.]]
    >>> pseudo_emotion_scores(fear)  # 2.45 for fear, 2 for surprise, 1.41 for sadness
    """
    if norm not in NORMS:
        raise ValueError(
            f"`norm` must be one of {', '.join(NORMS)}. Received: {norm!r}."
        )
    weights = prototype_weights(table, au_names)
    au = tf.cast(au, tf.float32)
    if au.shape[-1] != len(au_names):
        raise ValueError(
            f"Expected a column of `au` for each of {len(au_names)} action units "
            f"({', '.join(au_names)}). Received: au.shape={au.shape}."
        )
    if norm == "standard":
        deviations = np.linalg.norm(weights, axis=1)[:, None] / math.sqrt(12.0)
        return tf.matmul(au - 0.5, _columns(weights / deviations))
    if norm == "sqrt":
        return tf.matmul(
            au, _columns(weights / np.linalg.norm(weights, axis=1)[:, None])
        )
    scores = tf.matmul(au, _columns(weights / weights.sum(1, keepdims=True)))
    if norm == "contrast":
        others = (weights == 0).astype(np.float32)
        scores -= tf.matmul(
            au, _columns(others / np.maximum(others.sum(1), 1)[:, None])
        )
    return scores


def _columns(weights):
    return tf.constant(weights.T, tf.float32)
