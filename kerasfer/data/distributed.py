"""Training batches for several devices, of which each reads only its part."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerasfer.data.pipeline import training_dataset
from kerasfer.types import Dataset


def distributed_training_dataset(
    strategy: Any,
    *args: Any,
    then: Callable[..., Dataset] | None = None,
    **options: Any,
) -> Dataset:
    """`training_dataset` for a strategy, of which each device reads only its part.

    Together its devices see, step by step, the batch that one device would see. Its
    steps are not known to `fit`: give `steps_per_epoch`.

    Args:
        strategy: a `tf.distribute.Strategy`.
        then: what is done to the data of a device: (dataset, shard) -> dataset, e.g.
            with `with_distilled`.
        args, options: of `training_dataset`, but `shard`; `batch_size` is that of all
            devices together, a multiple of their number.

    Returns:
        a `tf.distribute.DistributedDataset`; a `tf.data.Dataset` for the default
        strategy, of one device.

    Raises:
        ValueError: as `training_dataset`.

    >>> strategy = tf.distribute.MirroredStrategy()
    >>> with strategy.scope():
    ...     model = FixMatch(build_classifier("compact", (48, 48, 3), 8))
    ...     model.compile("adam")
    >>> data = distributed_training_dataset(
    ...     strategy, split.labeled, split.unlabeled, views=model.all_views)
    >>> model.fit(data, steps_per_epoch=100)
    """
    count = strategy.num_replicas_in_sync

    def of_worker(context):
        local = count // context.num_input_pipelines
        first = context.input_pipeline_id * local
        parts = [(first + k, count) for k in range(local)]
        shards = [training_dataset(*args, **options, shard=part) for part in parts]
        if then is not None:
            shards = [then(*pair) for pair in zip(shards, parts, strict=True)]
        if local == 1:
            return shards[0]
        turns = tf.data.Dataset.range(local).repeat()
        return tf.data.Dataset.choose_from_datasets(shards, turns)

    return strategy.distribute_datasets_from_function(of_worker)
