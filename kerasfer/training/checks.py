"""Checks of what a user gives to a scheme."""

import keras
import tensorflow as tf

_OUTPUTS = {"embedding", "logits", "probs"}


def check_classifier(classifier):
    """Raises a ValueError unless the three outputs are there."""
    outputs = getattr(classifier, "output", None)
    if not isinstance(outputs, dict) or not outputs.keys() >= _OUTPUTS:
        received = (
            sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
        )
        raise ValueError(
            "`classifier` must be a functional model with the outputs embedding, "
            "logits and probs. Wrap a backbone by kerasfer.build_classifier(backbone, "
            f"input_shape, num_classes). Received: outputs={received}."
        )


def require_at_least(lowest, **numbers):
    """Raises a ValueError, which names it, if a number is smaller or no number."""
    _require(numbers, lambda value: value >= lowest, f"at least {lowest}")


def require_above(lowest, **numbers):
    """Raises a ValueError, which names it, if a number is not larger."""
    _require(numbers, lambda value: value > lowest, f"more than {lowest}")


def require_within(lowest, highest, **numbers):
    """Raises a ValueError, which names it, if a number is outside [lowest, highest]."""
    expected = f"in [{lowest}, {highest}]"
    _require(numbers, lambda value: lowest <= value <= highest, expected)


def _require(numbers, holds, expected):
    for name, value in numbers.items():
        if not holds(value):
            raise ValueError(f"`{name}` must be {expected}. Received: {value}.")


def length_of(dataset):
    """Number of batches in one pass, None if unknown; an endless one is refused."""
    if not hasattr(dataset, "cardinality"):
        return None
    length = int(dataset.cardinality())
    if length == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "The training data set is endless: give `steps_per_epoch` to `fit`."
        )
    return None if length < 0 else length


def check_shares(dataset, num_replicas):
    """Raises a ValueError where a batch of known size is no multiple of the replicas;
    what a `DistributedDataset` gives is of one replica already."""
    if num_replicas == 1 or not isinstance(dataset, tf.data.Dataset):
        return
    sizes = {spec.shape[0] for spec in tf.nest.flatten(dataset.element_spec)}
    uneven = sorted(size for size in sizes if size and size % num_replicas)
    if uneven:
        raise ValueError(
            f"A batch must be a multiple of {num_replicas}, the number of replicas, so "
            f"that each has as many faces. Received: {uneven[0]}."
        )


def check_targets(dataset, num_outputs):
    """Raises a ValueError where a data set of ours has other classes than outputs; on a
    GPU a label outside of them would train on in silence."""
    num_targets = getattr(dataset, "num_targets", num_outputs)
    if num_targets != num_outputs:
        raise ValueError(
            f"The faces have {num_targets} classes (or action units), the classifier "
            f"has {num_outputs} outputs. Build it with num_classes={num_targets}."
        )


def unpacked(data):
    """Inputs, labels and sample weights, None where there are none, of a batch."""
    return keras.utils.unpack_x_y_sample_weight(data)
