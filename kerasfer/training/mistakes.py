"""What a scheme of one's own may get wrong, said while its first step is traced."""

import tensorflow as tf

from kerasfer.training.step import Pseudo, Step


class Entries(dict):
    """The entries of a batch, with an error that says how to get a missing one."""

    scheme = "The scheme"

    @classmethod
    def of(cls, batch, scheme):
        """The entries of what `fit` was given.

        Raises:
            ValueError: it is no dict.
        """
        if not isinstance(batch, dict):
            raise ValueError(
                f"{scheme} trains on batches of kerasfer.data.training_dataset: pairs "
                '(dict with "image" and its views, labels). Received: '
                f"{_described(batch)} in the place of the dict."
            )
        entries = cls(batch)
        entries.scheme = scheme
        return entries

    def __missing__(self, name):
        raise ValueError(
            f"{self.scheme} reads {name!r}, which the batch does not have. Name it in "
            f"`views` of {self.scheme}, and make the data with views=model.all_views. "
            f"Received: {', '.join(self)}."
        )


def check_step(step, scheme):
    """Raises a ValueError unless a scheme gave what the frame needs.

    Args:
        step: what `scheme_step` gave.
        scheme: its name, for the errors.
    """
    if not isinstance(step, Step):
        raise ValueError(
            f"{scheme}.scheme_step must return Step(losses, labels, outputs), with the "
            "losses by their names; the frame weighs and adds them. Received: "
            f"{_described(step)}."
        )
    for name, loss in step.losses.items():
        if tf.convert_to_tensor(loss).shape.rank != 0:
            raise ValueError(
                f"{scheme}: the loss {name!r} must be one number. Take the mean over "
                f"the batch, kerasfer.losses.batch_mean(...). Received: "
                f"{_described(loss)}."
            )
    if "image" not in step.outputs:
        raise ValueError(
            f"{scheme}: the outputs of a Step must have those of the labelled view, "
            f"'image'. Received: {', '.join(step.outputs) or 'none'}."
        )
    if step.pseudo is not None:
        _check_pseudo(step.pseudo, scheme)


def check_supervised(losses, labels):
    """Raises a ValueError unless a supervised loss gave one number a face."""
    shape = tf.convert_to_tensor(losses).shape
    count = tf.convert_to_tensor(labels).shape[:1]
    if shape.rank != 1 or not shape.is_compatible_with(count):
        raise ValueError(
            "`supervised_loss` must give one number a face, shape (batch,), without a "
            "mean: the frame takes it. A loss over the whole batch (dice, tversky) "
            f"cannot be used. Received: shape {shape} for labels of {count}."
        )


def check_losses(parts, weights, scheme):
    """Raises a ValueError unless there is a weight for each loss, and a loss for each
    weight."""
    missing = sorted(weights.keys() - parts.keys())
    unknown = sorted(parts.keys() - weights.keys())
    if missing or unknown:
        raise ValueError(
            f"{scheme}: the losses of a step are not those of `loss_weights`. Give "
            "each a weight there, and return each in the Step. Without a loss: "
            f"{', '.join(missing) or 'none'}; without a weight: "
            f"{', '.join(unknown) or 'none'}."
        )


def _check_pseudo(pseudo, scheme):
    if not isinstance(pseudo, Pseudo):
        raise ValueError(
            f"{scheme}: `pseudo` must be a Pseudo(labels, mask), as "
            f"`self.pseudo_labels` gives one. Received: {_described(pseudo)}."
        )
    labels = tf.convert_to_tensor(pseudo.labels).shape
    for name, value in pseudo._asdict().items():
        shape = labels if value is None else tf.convert_to_tensor(value).shape
        if shape.rank != 1 or not shape.is_compatible_with(labels):
            raise ValueError(
                f"{scheme}: `labels`, `mask` and `confidence` of a Pseudo need one "
                f"entry per unlabelled face, shape (batch,). Received: {name} of "
                f"shape {shape}, labels of shape {labels}."
            )


def _described(value):
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {value.shape}"
    return type(value).__name__
