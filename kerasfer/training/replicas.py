"""Steps on several replicas, whose logs are those of one device with all faces."""

import functools
import itertools

import keras
import tensorflow as tf

from kerasfer._compat import counts_from_files


class ReplicatedModel(keras.Model):
    """A model that `fit` and `evaluate` train and measure on replicas as on one device.

    Under a strategy Keras 3 logs the mean of what the metrics of each replica say. For
    a ratio of counts (mean class accuracy, F1), and where a last batch is not shared
    evenly, that is another number; with several workers it fails (keras issue 20585),
    and Keras 2.15 logs the sum over workers of what `evaluate` measured. Here counts
    are summed over replicas before the ratio is taken.

    Batch statistics that are not synchronised are each replica's own while it trains.
    `evaluate`, so also the validation of `fit`, sets all to their mean, which is what
    weights that are saved hold: what is measured is what is saved.
    """

    def make_train_function(self, force=False):
        if not self._is_replicated():
            return super().make_train_function(force)
        if force or self.train_function is None:
            self.train_function = self._on_replicas(self.train_step)
        return self.train_function

    def make_test_function(self, force=False):
        if not self._is_replicated():
            return super().make_test_function(force)
        if force or self.test_function is None:
            self.test_function = self._on_replicas(self.test_step)
        return self.test_function

    def evaluate(self, *args, **kwargs):
        if self._is_replicated():
            self._average_statistics()
        return super().evaluate(*args, **kwargs)

    def load_weights(self, filepath, *args, **kwargs):
        with counts_from_files():
            return super().load_weights(filepath, *args, **kwargs)

    @functools.cached_property
    def _average_statistics(self):
        variables = [v for layer in self.layers for v in layer.non_trainable_variables]
        variables = [v for v in variables if tf.as_dtype(v.dtype).is_floating]

        def on_replica():
            # Keras 3 would read the first replica's, outside of them.
            context = tf.distribute.get_replica_context()
            for variable in variables:
                value = tf.identity(tf.convert_to_tensor(variable))
                mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, value)
                variable.assign(mean)

        return tf.function(lambda: self.distribute_strategy.run(on_replica))

    def _is_replicated(self):
        return self.distribute_strategy.num_replicas_in_sync > 1

    def _on_replicas(self, step):
        logged = []

        def one_step(data):
            def on_replica(data):
                logged[:] = step(data)

            self.distribute_strategy.run(on_replica, args=(data,))
            results = self.get_metrics_result()  # in no replica: read over all
            return {name: results[name] for name in logged}

        if not self.run_eagerly:
            one_step = tf.function(
                one_step, jit_compile=self.jit_compile, reduce_retracing=True
            )

        count = int(tf.convert_to_tensor(self.steps_per_execution))

        def steps(iterator):
            logs = None
            for data in itertools.islice(iterator, count):
                logs = one_step(data)
            if logs is None:
                raise StopIteration
            return logs

        return steps

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Keras 3 makes the metrics that were given by name here, from a batch; with
        several workers it fails to get one from all of theirs. One of ours will do."""
        if iterator is not None and self._is_replicated():
            _, _, batches = next(iter(iterator))
            data_batch = tf.nest.map_structure(
                lambda value: self.distribute_strategy.experimental_local_results(
                    value
                )[0],
                next(batches),
                expand_composites=False,
            )
            iterator = None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
