"""Predictions by which a scheme makes its targets, beside those that are shipped."""

from kerasfer.types import Tensor


def own_outputs(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """A classifier's outputs as the scheme is to read them.

    A plug-in may predict by a head of its own and promise that the scheme's targets do
    not come from it (ABC). The classifier then returns that head's prediction as
    `probs` and the scheme's as `own_probs`. This function renames them: `own_probs`
    becomes `probs`, and `probs` becomes `predicted_probs`.

    Args:
        outputs: name -> tensor.

    Returns:
        name -> tensor.

    >>> own_outputs({"probs": 1, "own_probs": 2})
    {'probs': 2, 'own_probs': 2, 'predicted_probs': 1}
    """
    if "own_probs" not in outputs:
        return outputs
    own = {"probs": outputs["own_probs"], "predicted_probs": outputs["probs"]}
    return {**outputs, **own}


def confidences(outputs: dict[str, Tensor]) -> Tensor:
    """What pseudo-label rules and thresholds read, float (batch, num_classes): the
    "scores" of a plug-in that has some (`PrototypeHead`), else "probs"."""
    return outputs.get("scores", outputs["probs"])


def predictions(outputs: dict[str, Tensor]) -> dict:
    """The probabilities that are evaluated and shipped, of `own_outputs`."""
    return outputs.get("predicted_probs", outputs["probs"])
