"""Variables are read before they are assigned, also after TensorFlow's optimisation."""

import contextlib

import tensorflow as tf


@contextlib.contextmanager
def reads_before_writes():
    """Keeps graphs that are first run in the block from racing with themselves.

    A training step reads a variable, computes with it, and assigns it. Where what was
    read reaches no gradient (the logits of a second view, a kernel behind
    `stop_gradient`), only a control edge orders the two, and TensorFlow's dependency
    optimiser (2.15 to 2.21, at least) drops some of those: in rare steps the new value
    is read, and two runs with one seed differ. The optimiser is off in the block; what
    was set before is set again after it.

    >>> with reads_before_writes():
    ...     model.train_on_batch(batch, labels)
    """
    before = tf.config.optimizer.get_experimental_options()
    off = {"dependency_optimization": False}
    tf.config.optimizer.set_experimental_options({**before, **off})
    try:
        yield
    finally:
        own = before.get("dependency_optimization", True)
        restored = {**before, "dependency_optimization": own}
        tf.config.optimizer.set_experimental_options(restored)
