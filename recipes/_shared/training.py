"""How to train: flags, the classifier and optimizer they ask for, one run."""

import dataclasses
import json
import pathlib
import time
from typing import Literal

import kerasfer

from . import faces as data
from .flags import require_above_0, require_at_least, require_within
from .runs import RESULT, open_run
from .table import write_predictions

BACKBONES = Literal["compact", "wide_resnet_28_2", "resnet18", "resnet34"]


@dataclasses.dataclass(frozen=True)
class Training:
    seeds: tuple[int, ...] = (0,)
    """One run each: the split, the initial weights and the order of the data."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder for the runs."""
    backbone: BACKBONES = "compact"
    """Backbone."""
    backbone_weights: pathlib.Path | None = None
    """PyTorch checkpoint for a ResNet, e.g. resnet18_msceleb.pth."""
    normalization: Literal["per_plane", "unit", "imagenet"] = "per_plane"
    """Of the pixels; imagenet for a pretrained ResNet."""
    dropout: float = 0.0
    """Rate before the last layer."""
    learning_rate: float = 2e-3
    """Of Adam."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The learning rate falls to 0 by a half cosine, or stays."""
    adam_epsilon: float = 1e-7
    """Of Adam; PyTorch's is 1e-8."""
    weight_decay: float = 0.02
    """Decoupled: times the learning rate, a step. Never of prototypes."""
    decay_on: Literal["all", "kernels"] = "all"
    """Weights that decay: all trainable ones, or neither biases nor scales."""
    epochs: int = 12
    """Of steps-per-epoch steps; each ends with a validation."""
    steps_per_epoch: int = 60
    """Steps of an epoch."""
    ema_decay: float = 0.999
    """Of the averaged weights that are evaluated."""
    ema_warmup: bool = True
    """Whether the average's decay starts low."""
    ema_statistics: bool = True
    """Whether running batch statistics are averaged too, or taken as they are."""
    weak_training: bool = True
    """Whether weak views pass in training mode (dropout, batch statistics)."""
    monitor: Literal["val_accuracy", "val_mean_class_accuracy"] = "val_accuracy"
    """What picks the epoch, on validation faces."""

    def __post_init__(self):
        require_at_least(self, 0, "weight_decay", "seeds")
        require_at_least(self, 1, "epochs", "steps_per_epoch")
        require_above_0(self, "learning_rate", "adam_epsilon")
        require_within(self, 0, 0.999999, "dropout", "ema_decay")
        if self.backbone_weights and not self.backbone.startswith("resnet"):
            raise ValueError(
                "--backbone-weights needs --backbone resnet18 or resnet34. Received: "
                f"{self.backbone}."
            )


def build_classifier(training, image_shape, num_classes, **options):
    backbone = training.backbone
    if training.backbone_weights:
        backbone = kerasfer.backbones.BACKBONES[backbone](image_shape)
        kerasfer.backbones.load_pytorch(backbone, training.backbone_weights)
    return kerasfer.build_classifier(
        backbone,
        image_shape,
        num_classes,
        normalization=training.normalization,
        dropout=training.dropout,
        **options,
    )


def frame_options(training):
    """Keywords that every scheme takes."""
    return {
        "ema_decay": training.ema_decay,
        "ema_warmup": training.ema_warmup,
        "ema_statistics": training.ema_statistics,
        "weak_training": training.weak_training,
    }


def compile_model(model, training, num_classes):
    import keras

    rate = training.learning_rate
    if training.schedule == "cosine":
        steps = training.epochs * training.steps_per_epoch
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    adam = keras.optimizers.Adam(
        rate, epsilon=training.adam_epsilon, weight_decay=training.weight_decay
    )
    spared = ["gamma", "beta", "bias"] if training.decay_on == "kernels" else []
    adam.exclude_from_weight_decay(var_names=["prototypes", *spared])
    model.compile(
        adam,
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            kerasfer.metrics.MeanClassAccuracy(num_classes),
        ],
    )
    return model


def train(
    config, method, seed, folder, build_model, mixup_alpha=0.75, measured_unlabeled=0
):
    """One run; returns its result, from the folder if it is finished already.

    Args:
        config: a recipe's, with `faces` and `training`.
        method: the name of what is trained.
        folder: of the run.
        build_model: (config, method, split) -> model, not compiled.
        mixup_alpha: of the data set.
        measured_unlabeled: how many unlabelled faces the end of an epoch sees; None is
            all.
    """
    import keras

    run = open_run(folder, {"method": method, "seed": seed, **_settings(config)})
    if run.result is not None:
        print(f"{folder} is finished; its result is taken as it is.")
        return run.result
    keras.utils.set_random_seed(seed)
    split = data.build_split(config.faces, seed)
    kerasfer.data.save_split(split, run.folder / "split.csv")
    model = build_model(config, method, split)
    compile_model(model, config.training, split.labeled.num_classes)
    measured = [split.labeled]
    if measured_unlabeled != 0:
        measured.append(data.evenly_spaced(split.unlabeled, measured_unlabeled))
    update = kerasfer.callbacks.EpochUpdate(
        *(data.build_evaluation_data(config.faces, part) for part in measured)
    )
    best, minutes = _fit(
        run,
        config.training,
        model,
        split,
        data.build_training_data(config.faces, split, model, seed, mixup_alpha),
        data.build_evaluation_data(config.faces, split.validation),
        update,
    )
    model.load_weights(str(best.path))
    test = data.build_evaluation_data(config.faces, split.test)
    predictions = run.folder / "predictions_test.csv"
    result = {
        "method": method,
        "seed": seed,
        "epoch": best.best_epoch,
        "selected_on": best.monitor,
        best.monitor: best.best,
        "minutes": round(minutes, 2),
        **write_predictions(predictions, model, test, split.test),
    }
    (run.folder / RESULT).write_text(json.dumps(result, indent=2))
    return result


def _fit(run, training, model, split, train_data, validation, update):
    """Writes metrics.csv, pseudo_labels.csv, best and last weights."""
    import keras
    from tqdm.keras import TqdmCallback

    from kerasfer.callbacks import PseudoLabelAudit, SaveWeights

    best = SaveWeights(run.folder / "best.weights.h5", training.monitor)
    audit = run.folder / "pseudo_labels.csv"
    start = time.monotonic()
    model.fit(
        train_data,
        validation_data=validation,
        epochs=training.epochs,
        steps_per_epoch=training.steps_per_epoch,
        verbose=0,
        callbacks=[
            # Before `update`, whose threshold a class would fill the line.
            TqdmCallback(verbose=0, desc=run.folder.name),
            update,
            best,
            SaveWeights(run.folder / "last.weights.h5"),
            PseudoLabelAudit(audit, split.labeled.class_names),
            keras.callbacks.CSVLogger(str(run.folder / "metrics.csv")),
        ],
    )
    return best, (time.monotonic() - start) / 60


def _settings(config):
    """The config as one flat dict, for config.yaml, without what names the folder."""
    settings = dataclasses.asdict(config)
    settings = {**settings.pop("faces"), **settings.pop("training"), **settings}
    for elsewhere in ("seeds", "beside", "out"):
        settings.pop(elsewhere, None)
    return {
        k: str(v) if isinstance(v, pathlib.Path) else v for k, v in settings.items()
    }
