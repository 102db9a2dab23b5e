"""Training batches for several devices, of which each reads only its part."""

import tensorflow as tf

from kerasfer.data.pipeline import training_dataset


def distributed_training_dataset(strategy, *args, **options):
    """`training_dataset` for a strategy, of which each device reads only its part.

    Together its devices see, step by step, the batch that one device would see. Its
    steps are not known to `fit`: give `steps_per_epoch`.

    Args:
        strategy: a `tf.distribute.Strategy`.
        args, options: of `training_dataset`, but `shard`; `batch_size` is that of all
            devices together, a multiple of their number.

    Returns:
        a `tf.distribute.DistributedDataset`.

    Raises:
        ValueError: as `training_dataset`.

    >>> strategy = tf.distribute.MirroredStrategy()
    >>> with strategy.scope():
    ...     model = FixMatch(build_classifier("compact", (48, 48, 3), 8))
    ...     model.compile("adam")
    >>> data = distributed_training_dataset(
    ...     strategy, split.labeled, split.unlabeled, views=model.all_views)
    >>> model.fit(data, steps_per_epoch=100)  # doctest: +SKIP
    """
    count = strategy.num_replicas_in_sync

    def of_worker(context):
        local = count // context.num_input_pipelines
        first = context.input_pipeline_id * local
        shards = [
            training_dataset(*args, **options, shard=(first + k, count))
            for k in range(local)
        ]
        turns = tf.data.Dataset.range(local).repeat()
        return tf.data.Dataset.choose_from_datasets(shards, turns)

    return strategy.distribute_datasets_from_function(of_worker)
