"""How to train: flags, and the classifier and optimizer that they ask for."""

import dataclasses
import pathlib
from typing import Literal

import kerasfer
from kerasfer.experiments.flags import require_above_0, require_at_least, require_within
from kerasfer.experiments.optimizers import build_optimizer
from kerasfer.experiments.selections import Selection

BACKBONES = Literal[
    "compact",
    "wide_resnet_28_2",
    "resnet18",
    "resnet34",
    "alexnet",
    "vgg16",
    "dlib_resnet",
]
_LOADABLE = ("resnet18", "resnet34", "vgg16", "dlib_resnet")
_INSTALLED = pathlib.Path("dlib")
MONITORS = Literal["val_accuracy", "val_mean_class_accuracy", "val_f1", "val_f1_small"]


@dataclasses.dataclass(frozen=True)
class Training:
    seeds: tuple[int, ...] = (0,)
    """One run each: the split, the initial weights and the order of the data."""
    out: pathlib.Path = pathlib.Path("runs")
    """Folder for the runs."""
    resume: bool = False
    """Go on with runs that were cut off, from the end of their last whole epoch."""
    backbone: BACKBONES = "compact"
    """Backbone."""
    backbone_weights: pathlib.Path | None = None
    """PyTorch checkpoint for a ResNet or VGG-16, e.g. resnet18_msceleb.pth; for
    dlib_resnet "dlib" (requirements-faces.txt), or the path of its .dat file."""
    normalization: Literal["per_plane", "unit", "imagenet", "vgg_face", "dlib"] = (
        "per_plane"
    )
    """Of the pixels; imagenet for a pretrained ResNet, vgg_face for VGG-Face, dlib for
    dlib_resnet."""
    dropout: float = 0.0
    """Rate before the last layer."""
    optimizer: Literal["adam", "sgd", "lamb", "rectified_adam", "novograd"] = "adam"
    """sgd with a momentum of 0.9; the last three are of tensorflow-addons."""
    lookahead: bool = False
    """Lookahead of tensorflow-addons around lamb, rectified_adam or novograd."""
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
    report: bool = True
    """Whether the run writes report.html, and keeps what stands in it."""
    tensorboard: bool = False
    """Whether the run writes `tensorboard/`: scalars, histograms, pictures."""
    pictures_every: int = 10
    """Epochs from one picture to the next, for TensorBoard."""
    monitor: MONITORS = "val_accuracy"
    """What picks the epoch, on validation faces; val_f1... for action units."""
    selections: tuple[Selection, ...] = ()
    """Rules beside the best epoch on validation, for comparison: the last epoch, the
    mean of the last ones, and the best on the test part, which is optimistic."""
    last_epochs: int = 5
    """How many epochs mean_last is over."""
    mixed_precision: Literal["off", "bfloat16", "float16"] = "off"
    """Of the backbone; losses, probabilities and state stay in float32."""
    strategy: Literal["one", "mirrored", "multi_worker"] = "one"
    """Devices: one, all local GPUs, or those of all workers (TF_CONFIG or Slurm)."""
    replicas: int = 0
    """Of mirrored: GPUs, 0 is all. Without a GPU, parts of the CPU, to try it."""
    sync_batch_norm: bool = False
    """Whether batch statistics are of all replicas' faces together."""
    jit_compile: bool = False
    """Whether XLA compiles the training step; MixUp's dice stay outside of it."""

    def __post_init__(self):
        require_at_least(self, 0, "weight_decay", "seeds", "steps_per_epoch")
        require_at_least(self, 0, "replicas")
        require_at_least(self, 1, "epochs", "last_epochs", "pictures_every")
        require_above_0(self, "learning_rate", "adam_epsilon", "penalty_strength")
        require_within(self, 0, 0.999999, "dropout", "ema_decay")
        if self.lookahead and self.optimizer in ("adam", "sgd"):
            raise ValueError(
                "--lookahead goes around lamb, rectified_adam or novograd. Received: "
                f"--optimizer {self.optimizer}."
            )
        if self.mixed_precision == "float16" and self.optimizer not in ("adam", "sgd"):
            raise ValueError(
                "--mixed-precision float16 needs --optimizer adam or sgd: the loss "
                "scale around others cannot be kept to go on from. Received: "
                f"--optimizer {self.optimizer}."
            )
        if self.backbone == "dlib_resnet" and self.normalization != "dlib":
            raise ValueError(
                "--backbone dlib_resnet needs --normalization dlib. Received: "
                f"{self.normalization}."
            )
        if self.backbone_weights and self.backbone not in _LOADABLE:
            raise ValueError(
                f"--backbone-weights needs --backbone {', '.join(_LOADABLE)}. "
                f"Received: {self.backbone}."
            )


def set_precision(training):
    """Keras' policy for what is built from now on."""
    import keras

    precision = training.mixed_precision
    policy = "float32" if precision == "off" else f"mixed_{precision}"
    keras.mixed_precision.set_global_policy(policy)


def build_classifier(training, image_shape, num_classes, **options):
    backbone = training.backbone
    if training.backbone_weights:
        backbone = kerasfer.backbones.BACKBONES[backbone](image_shape)
        _load(training, backbone)
    return kerasfer.build_classifier(
        backbone, image_shape, num_classes, **classifier_options(training), **options
    )


def _load(training, backbone):
    path = training.backbone_weights
    if training.backbone == "dlib_resnet":
        kerasfer.backbones.load_dlib(backbone, None if path == _INSTALLED else path)
    else:
        kerasfer.backbones.load_pytorch(backbone, path)


def estimate_statistics(training, model, some_faces):
    """Batch statistics of dlib's network, of the run's own faces.

    Args:
        training: the flags.
        model: a scheme, not trained yet.
        some_faces: gives a data set of (image, label), a few hundred faces; called
            where it is needed.
    """
    if training.backbone != "dlib_resnet" or not training.backbone_weights:
        return
    normalize = model.classifier.get_layer("normalization")
    kerasfer.backbones.estimate_statistics(
        model.classifier.get_layer("dlib_resnet"),
        (normalize(images) for images, _ in some_faces()),
    )
    if model.ema_classifier is not None:
        model.ema_classifier.set_weights(model.classifier.get_weights())


def classifier_options(training):
    """Keywords that every classifier takes."""
    return {
        "normalization": training.normalization,
        "dropout": training.dropout,
        "weight_penalty": _penalty(training),
        "synchronized_batch_norm": training.sync_batch_norm,
    }


def _penalty(training):
    import keras

    penalties = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}
    if training.weight_penalty == "none":
        return None
    return penalties[training.weight_penalty](training.penalty_strength)


def with_steps(training, num_labeled, batch_size):
    """The flags with the steps of an epoch, where they are those of one pass."""
    steps = training.steps_per_epoch or -(-num_labeled // batch_size)
    return dataclasses.replace(training, steps_per_epoch=steps)


def frame_options(training):
    """Keywords that every scheme takes."""
    return {
        "ema_decay": training.ema_decay,
        "ema_warmup": training.ema_warmup,
        "ema_statistics": training.ema_statistics,
        "weak_training": training.weak_training,
    }


def compile_model(model, training, metrics):
    model.compile(
        build_optimizer(training), metrics=metrics, jit_compile=training.jit_compile
    )
    return model
