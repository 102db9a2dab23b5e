"""Every baseline without a weight on unlabelled faces."""

import keras
import pytest
from support.toys import (
    map_classifier,
    random_faces,
)

from kerasfer.callbacks import EpochUpdate
from kerasfer.data import evaluation_dataset, training_dataset
from kerasfer.schemes import (
    UDA,
    MeanTeacher,
    MixMatch,
    ProgressiveTeacher,
    PseudoLabel,
    ReMixMatch,
    Supervised,
)


@pytest.mark.parametrize(
    "scheme",
    [PseudoLabel, MeanTeacher, MixMatch, ReMixMatch, UDA, ProgressiveTeacher],
)
def test_without_unlabeled_weight_a_baseline_learns_the_labels(scheme):
    """Three classes that a line tells apart, learned in a few steps."""
    faces = random_faces(60, side=4)
    model = scheme(map_classifier(), loss_weights={"unlabeled": 0.0}, ema_decay=0.9)
    model.compile(
        keras.optimizers.Adam(0.02),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    model.fit(
        training_dataset(faces, faces, model.all_views, 16, pad=0.0, mixup_alpha=0.1),
        steps_per_epoch=60,
        verbose=0,
        callbacks=[EpochUpdate(evaluation_dataset(faces))],
    )
    logs = model.evaluate(evaluation_dataset(faces), verbose=0, return_dict=True)
    reference = Supervised(map_classifier())
    reference.compile(metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")])
    untrained = reference.evaluate(
        evaluation_dataset(faces), verbose=0, return_dict=True
    )
    assert logs["accuracy"] > max(0.6, untrained["accuracy"])
