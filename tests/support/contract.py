"""Models of the contract's cases, and their runs."""

import keras
import numpy as np

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import LargeMargin, MarginMix, PseudoEmotion
from support.contract_cases import ANNOTATED, LABELED, NOT_ANNOTATED, UNLABELED
from support.toys import map_classifier


def build(scheme, plug_ins=(), optimizer=None, dtype=None, **options):
    keras.utils.set_random_seed(5)
    plug_ins = [plug_in() for plug_in in plug_ins]
    keras.utils.set_random_seed(5)  # the same classifier with and without plug-ins
    model = scheme(map_classifier(dtype=dtype), plug_ins=plug_ins, **options)
    model.compile(optimizer or keras.optimizers.SGD(0.1))
    if isinstance(model, (MarginMix, LargeMargin, PseudoEmotion)):
        # As after a first epoch: there are centroids.
        model.epoch_end(evaluation_dataset(faces_of(model)[0]), None)
    return model


def faces_of(model):
    """Labelled and unlabelled faces."""
    if isinstance(model, PseudoEmotion):
        return ANNOTATED, NOT_ANNOTATED
    return LABELED, UNLABELED


def dataset(model, **options):
    options = {"views": model.all_views, "batch_size": 8, "seed": 2, **options}
    return training_dataset(*faces_of(model), **options)


def fit(model, steps=3, epochs=1, **options):
    update = EpochUpdate(*map(evaluation_dataset, faces_of(model)))
    history = model.fit(
        dataset(model, **options),
        steps_per_epoch=steps,
        epochs=epochs,
        verbose=0,
        callbacks=[update],
    )
    return {name: np.array(values) for name, values in history.history.items()}


def state(model):
    return {f"{i} {w.name}": w.numpy() for i, w in enumerate(model.weights)}
