"""How to train: flags, the classifier and optimizer they ask for, one run."""

import dataclasses
import json
import pathlib
import time
from typing import Literal

import kerasfer

from . import faces as data
from .flags import require_above_0, require_at_least, require_within
from .pictures import draw_centroid_shift
from .progress import progress_bar
from .runs import RESULT, open_run

BACKBONES = Literal[
    "compact", "wide_resnet_28_2", "resnet18", "resnet34", "alexnet", "vgg16"
]
_LOADABLE = ("resnet18", "resnet34", "vgg16")
MONITORS = Literal["val_accuracy", "val_mean_class_accuracy", "val_f1", "val_f1_small"]


@dataclasses.dataclass(frozen=True)
class Training:
    seeds: tuple[int, ...] = (0,)
    """One run each: the split, the initial weights and the order of the data."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder for the runs."""
    backbone: BACKBONES = "compact"
    """Backbone."""
    backbone_weights: pathlib.Path | None = None
    """PyTorch checkpoint for a ResNet or VGG-16, e.g. resnet18_msceleb.pth."""
    normalization: Literal["per_plane", "unit", "imagenet", "vgg_face"] = "per_plane"
    """Of the pixels; imagenet for a pretrained ResNet, vgg_face for VGG-Face."""
    dropout: float = 0.0
    """Rate before the last layer."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """sgd with a momentum of 0.9."""
    learning_rate: float = 2e-3
    """Of the optimizer."""
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    """The rate falls to 0 by a half cosine, stays, or is a tenth each 10 epochs on."""
    adam_epsilon: float = 1e-7
    """Of Adam; PyTorch's is 1e-8."""
    weight_decay: float = 0.02
    """Decoupled: times the learning rate, a step. Never of prototypes."""
    decay_on: Literal["all", "kernels"] = "all"
    """Weights that decay: all trainable ones, or neither biases nor scales."""
    epochs: int = 12
    """Of steps-per-epoch steps; each ends with a validation."""
    steps_per_epoch: int = 60
    """Steps of an epoch; 0 is one pass over the labelled faces."""
    weight_penalty: Literal["none", "l1", "l2"] = "none"
    """Of all kernels, in the loss; unlike weight-decay it is scaled by Adam."""
    penalty_strength: float = 1e-4
    """Factor of weight-penalty."""
    ema_decay: float = 0.999
    """Of the averaged weights that are evaluated."""
    ema_warmup: bool = True
    """Whether the average's decay starts low."""
    ema_statistics: bool = True
    """Whether running batch statistics are averaged too, or taken as they are."""
    weak_training: bool = True
    """Whether weak views pass in training mode (dropout, batch statistics)."""
    monitor: MONITORS = "val_accuracy"
    """What picks the epoch, on validation faces; val_f1... for action units."""

    def __post_init__(self):
        require_at_least(self, 0, "weight_decay", "seeds", "steps_per_epoch")
        require_at_least(self, 1, "epochs")
        require_above_0(self, "learning_rate", "adam_epsilon", "penalty_strength")
        require_within(self, 0, 0.999999, "dropout", "ema_decay")
        if self.backbone_weights and self.backbone not in _LOADABLE:
            raise ValueError(
                f"--backbone-weights needs --backbone {', '.join(_LOADABLE)}. "
                f"Received: {self.backbone}."
            )


def build_classifier(training, image_shape, num_classes, **options):
    backbone = training.backbone
    if training.backbone_weights:
        backbone = kerasfer.backbones.BACKBONES[backbone](image_shape)
        kerasfer.backbones.load_pytorch(backbone, training.backbone_weights)
    return kerasfer.build_classifier(
        backbone, image_shape, num_classes, **classifier_options(training), **options
    )


def classifier_options(training):
    """Keywords that every classifier takes."""
    return {
        "normalization": training.normalization,
        "dropout": training.dropout,
        "weight_penalty": _penalty(training),
    }


def _penalty(training):
    import keras

    penalties = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}
    if training.weight_penalty == "none":
        return None
    return penalties[training.weight_penalty](training.penalty_strength)


def frame_options(training):
    """Keywords that every scheme takes."""
    return {
        "ema_decay": training.ema_decay,
        "ema_warmup": training.ema_warmup,
        "ema_statistics": training.ema_statistics,
        "weak_training": training.weak_training,
    }


def compile_model(model, training, metrics):
    import keras

    rate = _rate(training)
    decay = {"weight_decay": training.weight_decay}
    if training.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, epsilon=training.adam_epsilon, **decay)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, **decay)
    spared = ["gamma", "beta", "bias"] if training.decay_on == "kernels" else []
    optimizer.exclude_from_weight_decay(var_names=["prototypes", *spared])
    model.compile(optimizer, metrics=metrics)
    return model


def _rate(training):
    from keras.optimizers import schedules

    rate, steps = training.learning_rate, training.steps_per_epoch
    if training.schedule == "cosine":
        return schedules.CosineDecay(rate, training.epochs * steps)
    if training.schedule == "steps":
        return schedules.ExponentialDecay(rate, 10 * steps, 0.1, staircase=True)
    return rate


def _with_steps(training, num_labeled, batch_size):
    """Steps of an epoch, where they are those of one pass."""
    steps = training.steps_per_epoch or -(-num_labeled // batch_size)
    return dataclasses.replace(training, steps_per_epoch=steps)


def train(
    config,
    method,
    seed,
    folder,
    build_model,
    task,
    mixup_alpha=0.75,
    measured_unlabeled=0,
):
    """One run; returns its result, from the folder if it is finished already.

    Args:
        config: a recipe's, with `faces` and `training`.
        method: the name of what is trained.
        folder: of the run.
        build_model: (config, method, split) -> model, not compiled.
        task: the module `expressions` or `action_units`.
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
    split = task.build_split(config.faces, seed)
    kerasfer.data.save_split(split, run.folder / "split.csv")
    training = _with_steps(config.training, len(split.labeled), config.faces.batch_size)
    model = build_model(config, method, split)
    compile_model(model, training, task.metrics(split.labeled))
    measured = [split.labeled]
    if measured_unlabeled != 0:
        measured.append(data.evenly_spaced(split.unlabeled, measured_unlabeled))
    update = kerasfer.callbacks.EpochUpdate(
        *(data.build_evaluation_data(config.faces, part) for part in measured)
    )
    best, times = _fit(
        run,
        training,
        model,
        task.pseudo_classes(model, split.labeled),
        task.training_data(config.faces, split, model, seed, mixup_alpha),
        data.build_evaluation_data(config.faces, split.validation),
        update,
    )
    model.load_weights(str(best.path))
    result = {
        "method": method,
        "seed": seed,
        "epoch": best.best_epoch,
        "selected_on": best.monitor,
        best.monitor: best.best,
        **times,
        **task.evaluate(
            run.folder,
            model,
            split,
            lambda part: data.build_evaluation_data(config.faces, part),
        ),
    }
    (run.folder / RESULT).write_text(json.dumps(result, indent=2))
    return result


def _fit(run, training, model, pseudo_classes, train_data, validation, update):
    """Writes metrics.csv, pseudo_labels.csv, best and last weights, and the curve of
    the centroids where there are some."""
    import keras

    from kerasfer.callbacks import PseudoLabelAudit, SaveWeights

    from .epoch_seconds import EpochSeconds

    best = SaveWeights(run.folder / "best.weights.h5", training.monitor)
    audit = run.folder / "pseudo_labels.csv"
    start, seconds = time.monotonic(), EpochSeconds()
    history = model.fit(
        train_data,
        validation_data=validation,
        epochs=training.epochs,
        steps_per_epoch=training.steps_per_epoch,
        verbose=0,
        callbacks=[
            seconds,
            # Before `update`, whose threshold a class would fill the line.
            progress_bar(run.folder.name),
            update,
            best,
            SaveWeights(run.folder / "last.weights.h5"),
            PseudoLabelAudit(audit, pseudo_classes),
            keras.callbacks.CSVLogger(str(run.folder / "metrics.csv")),
        ],
    )
    minutes = (time.monotonic() - start) / 60
    if "centroid_shift" in history.history:
        shifts = {run.folder.name: history.history["centroid_shift"]}
        draw_centroid_shift(run.folder / "centroid_shift.png", shifts)
    return best, {
        "minutes": round(minutes, 2),
        "seconds_per_epoch": round(seconds.median(), 2),
    }


# What names folders, or says what else to run: no part of how a run was made.
_ELSEWHERE = (
    "seeds", "beside", "margin_loss", "framework", "only", "patterns", "out",
)  # fmt: skip


def _settings(config):
    """The config as one flat dict, for config.yaml, without what names the folder."""
    settings = dataclasses.asdict(config)
    for group in [name for name in settings if isinstance(settings[name], dict)]:
        settings.update(settings.pop(group))
    for elsewhere in _ELSEWHERE:
        settings.pop(elsewhere, None)
    return {
        k: str(v) if isinstance(v, pathlib.Path) else v for k, v in settings.items()
    }
