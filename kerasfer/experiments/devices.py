"""On which devices a run trains: one, all of this machine, or those of several."""

import contextlib
import dataclasses
import functools
import os
from typing import Any


@dataclasses.dataclass(frozen=True)
class Devices:
    """A strategy of TensorFlow, and this process's part in it."""

    strategy: Any
    is_chief: bool = True
    """Whether this process writes the run's files."""
    workers: int = 1

    def agreed(self, number=0):
        """The chief's number, a whole one, on each worker; all of them must call it."""
        if self.workers == 1:
            return number
        import tensorflow as tf

        def on_replica():
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group, 0)
            mine = tf.where(first, tf.constant(number), 0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        told = self.strategy.run(tf.function(on_replica))
        return int(self.strategy.experimental_local_results(told)[0])


def devices_of(training):
    """The `Devices` of the flags; the same at each call in a process.

    Raises:
        ValueError: `multi_worker` without the variables that tell the workers.
    """
    return _devices(training.strategy, training.replicas)


@functools.cache
def _devices(name, replicas):
    import tensorflow as tf

    if name == "one":
        return Devices(tf.distribute.get_strategy())
    if name == "mirrored":
        return Devices(tf.distribute.MirroredStrategy(_local_devices(replicas)))
    resolver = _resolver()
    strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    workers = sum(map(len, resolver.cluster_spec().as_dict().values()))
    chief = resolver.task_type in ("chief", "worker") and resolver.task_id == 0
    if "chief" in resolver.cluster_spec().jobs:
        chief = resolver.task_type == "chief"
    return Devices(strategy, chief, workers)


def _local_devices(replicas):
    """Names of so many GPUs, 0 is all; without any, of parts of the CPU."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        if replicas > len(gpus):
            raise ValueError(f"--replicas {replicas}: there are {len(gpus)} GPUs.")
        return [f"GPU:{k}" for k in range(replicas or len(gpus))]
    parts = [tf.config.LogicalDeviceConfiguration()] * max(1, replicas)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, parts)
    return [f"CPU:{k}" for k in range(len(parts))]


def _resolver():
    import tensorflow as tf

    resolvers = tf.distribute.cluster_resolver
    if "TF_CONFIG" in os.environ:
        return resolvers.TFConfigClusterResolver()
    if "SLURM_PROCID" in os.environ:
        # Counted here: it calls nvidia-smi, and fails where there are no GPUs.
        gpus = len(tf.config.list_physical_devices("GPU"))
        return resolvers.SlurmClusterResolver(gpus_per_node=max(1, gpus))
    raise ValueError(
        "--strategy multi_worker needs to know the workers: start one process on each "
        "by Slurm's srun, or set TF_CONFIG on each (see docs/guides/devices.md)."
    )


def refuse_workers(training, who):
    """Raises ValueError where several workers would each do all of the work."""
    if training.strategy == "multi_worker":
        raise ValueError(
            f"{who} does not run on several workers at once: --strategy multi_worker "
            "is for single recipes. Use mirrored, for the GPUs of one machine."
        )


@contextlib.contextmanager
def lost_workers_reported():
    """Ends the program with one line where another worker is gone."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        first = str(error).splitlines()[0]
        raise SystemExit(
            "error: another worker ended, and this one with it. The same command with "
            f"--resume, on all workers, goes on. ({first})"
        ) from None
