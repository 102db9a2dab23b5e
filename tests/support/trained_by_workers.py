"""A worker's part of some trainings; a program for test_workers.

    TF_CONFIG=... python tests/support/trained_by_workers.py OUT.npz SCHEME-PLUG_IN ...

Worker 0 writes what it has at the end: logs and weights of each training. Without
TF_CONFIG it is one process with the whole batch.
"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import conftest  # noqa: F401  before TensorFlow is used
import keras
import numpy as np
import tensorflow as tf

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import distributed_training_dataset, evaluation_dataset
from kerasfer.metrics import MeanClassAccuracy
from support.contract_cases import PLUG_INS, SCHEMES


def train(strategy, scheme, plug_in):
    """Logs of each epoch, and the weights at the end."""
    from support.contract import build, faces_of

    with strategy.scope():
        model = build(SCHEMES[scheme], PLUG_INS[plug_in])
        labeled, unlabeled = faces_of(model)
        metrics = ["accuracy", MeanClassAccuracy(3)] if labeled.class_names else None
        model.compile(keras.optimizers.SGD(0.1), metrics=metrics)
    history = model.fit(
        distributed_training_dataset(
            strategy, labeled, unlabeled, (*model.all_views, "audit_label"),
            batch_size=8, unlabeled_ratio=2, seed=2, mixup_alpha=1e-5,
        ),
        validation_data=evaluation_dataset(labeled, 5),  # 5, 5, 2: shared unevenly
        steps_per_epoch=3,
        epochs=2,
        verbose=0,
        callbacks=[EpochUpdate(*map(evaluation_dataset, (labeled, unlabeled)))],
    )  # fmt: skip
    counted = {id(v) for metric in model.metrics for v in metric.variables}
    weights = [v.numpy() for v in model.weights if id(v) not in counted]
    return history.history, weights


def main():
    out, *pairs = sys.argv[1:]
    strategy, writes = tf.distribute.get_strategy(), True
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        writes = strategy.cluster_resolver.task_id == 0
    arrays = {}
    for pair in pairs:
        logs, weights = train(strategy, *pair.split("-"))
        arrays |= {f"{pair} {name}": values for name, values in logs.items()}
        arrays |= {f"{pair} weight {k}": value for k, value in enumerate(weights)}
    if writes:
        np.savez(out, **arrays)


if __name__ == "__main__":
    main()
