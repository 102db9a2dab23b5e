"""How to train: flags, and the optimizer that they ask for."""

import dataclasses
from typing import Literal

from kerasfer.experiments.flags import require_above_0, require_at_least, require_within
from kerasfer.experiments.optimizers import build_optimizer

MONITORS = Literal["val_accuracy", "val_mean_class_accuracy", "val_f1", "val_f1_small"]


@dataclasses.dataclass(frozen=True)
class Training:
    optimizer: Literal["adam", "sgd", "lamb", "rectified_adam", "novograd"] = "adam"
    """sgd with a momentum of 0.9; the last three are of tensorflow-addons."""
    lookahead: bool = False
    """Lookahead of tensorflow-addons around lamb, rectified_adam or novograd."""
    learning_rate: float = 2e-3
    """Of the optimizer."""
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    """Of the learning rate: to 0 by a half cosine, constant, or divided by 10 every 10
    epochs."""
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
    mixed_precision: Literal["off", "bfloat16", "float16"] = "off"
    """Of the backbone; losses, probabilities and state stay in float32."""
    strategy: Literal["one", "mirrored", "multi_worker"] = "one"
    """Devices: one, all local GPUs, or those of all workers (TF_CONFIG or Slurm)."""
    replicas: int = 0
    """Of mirrored: GPUs, 0 is all. Without a GPU, parts of the CPU, to try it."""
    jit_compile: bool = False
    """Whether XLA compiles the training step; MixUp's random draws stay outside."""

    def __post_init__(self):
        require_at_least(self, 0, "weight_decay", "steps_per_epoch")
        require_at_least(self, 0, "replicas")
        require_at_least(self, 1, "epochs")
        require_above_0(self, "learning_rate", "adam_epsilon")
        require_within(self, 0, 0.999999, "ema_decay")
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


def set_precision(training):
    """Keras' policy for what is built from now on."""
    import keras

    precision = training.mixed_precision
    policy = "float32" if precision == "off" else f"mixed_{precision}"
    keras.mixed_precision.set_global_policy(policy)


def with_steps(training, num_labeled, batch_size):
    """The flags with the steps of an epoch, where they are those of one pass."""
    steps = training.steps_per_epoch or -(-num_labeled // batch_size)
    return dataclasses.replace(training, steps_per_epoch=steps)


def frame_options(config):
    """Keywords that every scheme takes, of a recipe's config."""
    training = config.training
    if training.lookahead and config.network.first_layer_rate != 1:
        raise ValueError(
            "--first-layer-rate and --lookahead: its slow weights would move at the "
            "full rate. Leave one of them out."
        )
    return {
        "ema_decay": training.ema_decay,
        "ema_warmup": training.ema_warmup,
        "ema_statistics": training.ema_statistics,
        "weak_training": training.weak_training,
        "first_layer_rate": config.network.first_layer_rate,
    }


def expression_options(config, split):
    """Keywords that every scheme on expressions takes, the loss on labelled faces among
    them."""
    by_counts = config.labeled_loss.loss in ("class_balanced", "logit_adjusted")
    if by_counts and config.faces.sampler == "balanced":
        raise ValueError(
            f"--loss {config.labeled_loss.loss} and --sampler balanced correct one "
            "imbalance twice. Leave one of them out."
        )
    loss = config.labeled_loss.build(split.labeled)
    return {**frame_options(config), "supervised_loss": loss}


def compile_model(model, training, metrics):
    model.compile(
        build_optimizer(training), metrics=metrics, jit_compile=training.jit_compile
    )
    return model
