"""Temperature scaling: probabilities that say how often they are right."""

import numpy as np
import tensorflow as tf

from kerasfer.optional import require
from kerasfer.types import Array, Tensor

_LOWEST, _HIGHEST = 0.05, 20.0


def with_temperature(
    probs: Tensor, temperature: float, task: str = "expressions"
) -> Array:
    """Probabilities at another temperature.

        p_k' = p_k^(1/T) / sum_j p_j^(1/T)           ("expressions")
        p_m' = 1 / (1 + ((1 - p_m) / p_m)^(1/T))     ("action_units")

    For a softmax or sigmoid this divides the logits by T, and it is defined for a
    mixture, which has none. T above 1 makes a model less sure; the order of the classes
    stays.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        probs: float (batch, classes) in [0, 1].
        temperature: above 0; 1 leaves `probs` as they are.
        task: "expressions" or "action_units".

    Returns:
        float32 tensor of that shape.

    >>> with_temperature([[0.8, 0.2]], 2.0)  # odds of 4 become odds of 2
    <tf.Tensor: ... numpy=array([[0.6666667 , 0.33333334]], dtype=float32)>
    """
    probs = tf.convert_to_tensor(probs, tf.float32)
    if temperature == 1.0:
        return probs
    # The smallest normal number: the logarithm of 0 is none.
    tiny = np.finfo(np.float32).tiny
    log_probs = tf.math.log(tf.maximum(probs, tiny))
    if task == "expressions":
        return tf.nn.softmax(log_probs / temperature)
    log_others = tf.math.log(tf.maximum(1.0 - probs, tiny))
    return tf.sigmoid((log_probs - log_others) / temperature)


def fitted_temperature(
    labels: Tensor, probs: Tensor, task: str = "expressions"
) -> float:
    """The temperature under which faces held out of training are likeliest.

    Args:
        labels: int (n,), classes; or float (n, num_aus) in [0, 1] for action units, -1
            = not annotated, present at 0.5 and above.
        probs: float (n, classes) in [0, 1], of validation faces; never of those that
            the model learned from, nor of the test set.
        task: "expressions" or "action_units".

    Returns:
        float in [0.05, 20].

    Raises:
        ValueError: no labelled face.

    >>> fitted_temperature([0, 0, 0, 1], [[0.99, 0.01]] * 4)  # it is right 3 in 4 times
    4.18...
    """
    from scipy.optimize import minimize_scalar

    labels, probs = np.asarray(labels), np.asarray(probs, np.float32)
    known = labels >= 0
    if not known.any():
        raise ValueError("A temperature needs labelled faces. Received: none.")

    def negative_log_likelihood(log_temperature):
        at = with_temperature(probs, float(np.exp(log_temperature)), task).numpy()
        if task == "expressions":
            right = at[known][np.arange(known.sum()), labels[known]]
        else:
            right = np.where(labels >= 0.5, at, 1 - at)[known]
        return -np.log(np.maximum(right, 1e-12)).mean()

    bounds = (np.log(_LOWEST), np.log(_HIGHEST))
    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=bounds).x))


def expected_calibration_error(
    labels: Tensor, probs: Tensor, task: str = "expressions", num_bins: int = 15
) -> float:
    """How far confidence and accuracy lie apart, on average over bins of confidence.

    Of the largest probability and whether it is right for expressions; of each
    annotated unit's probability and whether it is present for action units.

    Source: Guo et al. 2017, Eq. 3, with 15 bins; computed by MAPIE.

    Args:
        labels, probs, task: as for `fitted_temperature`.
        num_bins: of equal width.

    Returns:
        float in [0, 1]; 0 is calibrated.

    Raises:
        ValueError: no labelled face.
        ImportError: MAPIE is not installed.
    """
    mapie = require("mapie.metrics.calibration", "A calibration error", "MAPIE")
    truth, scores = _outcomes(labels, probs, task)
    return float(
        mapie.expected_calibration_error(
            truth.astype(int), scores, num_bins=num_bins, split_strategy="uniform"
        )
    )


def reliability(
    labels: Tensor, probs: Tensor, task: str = "expressions", num_bins: int = 15
) -> dict[str, Array]:
    """Confidence and accuracy in bins of confidence, for a reliability diagram.

    Args:
        labels, probs, task, num_bins: as for `expected_calibration_error`, whose bins
            these are.

    Returns:
        name -> array, an entry for each bin that is not empty: "faces", how many cases;
        "confidence", their mean; "right", the share that is right, or present.

    Raises:
        ValueError: no labelled face.

    >>> reliability([0, 1], [[0.9, 0.1], [0.7, 0.3]])["right"]
    array([0., 1.])
    """
    truth, scores = _outcomes(labels, probs, task)
    # MAPIE's bins: between `num_bins` edges, and one of what is 0. (scikit-learn's
    # calibration_curve does not say how many are in a bin.)
    bins = np.digitize(scores, np.linspace(0.0, 1.0, num_bins), right=True)
    faces = np.bincount(bins, minlength=num_bins)
    some = faces > 0
    sums = (np.bincount(bins, values, num_bins)[some] for values in (scores, truth))
    confidence, right = (total / faces[some] for total in sums)
    return {"faces": faces[some], "confidence": confidence, "right": right}


def _outcomes(labels, probs, task):
    """Of each labelled face, or unit: whether it came true, and how sure that was."""
    labels, probs = np.asarray(labels), np.asarray(probs, np.float64)
    known = labels >= 0
    if not known.any():
        raise ValueError("A calibration error needs labelled faces. Received: none.")
    if task == "expressions":
        return probs.argmax(-1)[known] == labels[known], probs.max(-1)[known]
    return labels[known] >= 0.5, probs[known]
