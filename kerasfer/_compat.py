"""The differences between Keras 3 and Keras 2.15. No other file looks at a version."""

import contextlib

import h5py
import keras
import tensorflow as tf

_KERAS_3 = int(keras.__version__.split(".")[0]) >= 3


def _aggregation(name):
    """How replicas' values become one: without it they differ, silently."""
    return name if _KERAS_3 else getattr(tf.VariableAggregation, name.upper())


def describe_stack():
    """TensorFlow and Keras as a text, and whether kerasfer runs on this pair."""
    versions = tf.__version__, keras.__version__
    here = [tuple(map(int, version.split(".")[:2])) for version in versions]
    fits = here == [(2, 15), (2, 15)] or (here[0] >= (2, 18) and here[1] >= (3, 12))
    return f"TensorFlow {tf.__version__}, Keras {keras.__version__}", fits


def add_state(layer, name, shape, initializer="zeros"):
    """A float32 weight that no gradient moves, averaged over replicas on assignment."""
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=initializer,
        dtype="float32",
        trainable=False,
        aggregation=_aggregation("mean"),
    )


def add_index_state(layer, name, shape, value):
    """An int64 weight that no gradient moves; every replica assigns the same to it.

    Of integers only int32 and int64 can be sent to workers; int32 is not kept on GPUs.
    """
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=keras.initializers.Constant(value),
        dtype="int64",
        trainable=False,
        aggregation=_aggregation("only_first_replica"),  # whole numbers have no mean
    )


def scale_loss(optimizer, loss):
    """The loss times the optimizer's loss scale (1 unless training is in float16)."""
    if _KERAS_3:
        return optimizer.scale_loss(loss)
    if hasattr(optimizer, "get_scaled_loss"):
        return optimizer.get_scaled_loss(loss)
    return loss


def unscale_gradients(optimizer, gradients):
    """Gradients in the form that `apply_gradients` expects.

    Keras 3 divides by the loss scale inside `apply_gradients`, Keras 2.15 does not.
    """
    if not _KERAS_3 and hasattr(optimizer, "get_unscaled_gradients"):
        return optimizer.get_unscaled_gradients(gradients)
    return gradients


def build_optimizer(optimizer, variables):
    """Makes an optimiser's variables, which else come with the first step."""
    if getattr(optimizer, "built", False):
        return  # Keras 3's loss scaling would make its own a second time
    if hasattr(optimizer, "build"):
        optimizer.build(variables)
    else:  # one of Keras's legacy kind
        optimizer._create_all_weights(variables)


def optimizer_variables(optimizer):
    """An optimiser's variables; loss scale and counters among them."""
    # Lookahead, of the legacy kind, has those of the optimiser inside among `weights`.
    variables = getattr(optimizer, "weights", optimizer.variables)
    return list(variables() if callable(variables) else variables)


@contextlib.contextmanager
def counts_from_files():
    """Keras 2.15 divides a metric's count by the number of replicas when it reads it,
    which h5py's arrays cannot do."""
    if _KERAS_3:
        yield
        return
    h5py.Dataset.__truediv__ = lambda array, number: array[()] / number
    try:
        yield
    finally:
        del h5py.Dataset.__truediv__
