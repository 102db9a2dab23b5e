"""The optimiser that flags ask for: Keras' own, or one of tensorflow-addons by name."""

# Keras' own that are nearest, for those who have another environment.
_INSTEAD = {
    "lamb": "keras.optimizers.Lamb in a script of your own, or --optimizer adam",
    "rectified_adam": "--optimizer adam with a lower --learning-rate",
    "novograd": "--optimizer adam",
    "lookahead": "the averaged weights that are evaluated anyway, see --ema-decay",
}


def build_optimizer(training):
    """An optimiser, not built; prototypes do not decay, nor what flags spare.

    Raises:
        ValueError: one of tensorflow-addons where that is not installed; or with a
            weight decay, if it cannot spare any weight from it.
    """
    spared = ["gamma", "beta", "bias"] if training.decay_on == "kernels" else []
    spared = ["prototypes", *spared]
    rate = learning_rate(training)
    if training.optimizer in ("adam", "sgd"):
        optimizer = _of_keras(training, rate, spared)
    else:
        optimizer = _of_addons(training, rate, spared)
    if training.lookahead:
        optimizer = _addons("lookahead").optimizers.Lookahead(optimizer)
    return optimizer


def _of_keras(training, rate, spared):
    import keras

    decay = {"weight_decay": training.weight_decay}
    if training.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, epsilon=training.adam_epsilon, **decay)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, **decay)
    optimizer.exclude_from_weight_decay(var_names=spared)
    return optimizer


def _of_addons(training, rate, spared):
    name, decay = training.optimizer, training.weight_decay
    optimizers = _addons(name).optimizers
    if name == "lamb":
        return optimizers.LAMB(
            rate, weight_decay=decay, exclude_from_weight_decay=spared
        )
    if decay:
        raise ValueError(
            f"--optimizer {name} of tensorflow-addons lets every weight decay, also "
            f"{', '.join(spared)}. Give --weight-decay 0, or take lamb. Received: "
            f"--weight-decay {decay}."
        )
    kinds = {
        "rectified_adam": optimizers.RectifiedAdam,
        "novograd": optimizers.NovoGrad,
    }
    return kinds[name](rate)


def _addons(name):
    try:
        import tensorflow_addons
    except ImportError:
        raise ValueError(
            f"{name} is of tensorflow-addons, which ended with TensorFlow 2.15 and is "
            f"not in this environment. Use {_INSTEAD[name]}; or, with Python 3.10 or "
            "3.11, make an environment by `pip install 'kerasfer[addons]'`."
        ) from None
    return tensorflow_addons


def learning_rate(training):
    """The rate or schedule that flags ask for, of a training that knows its steps."""
    from keras.optimizers import schedules

    rate, steps = training.learning_rate, training.steps_per_epoch
    if training.schedule == "cosine":
        return schedules.CosineDecay(rate, training.epochs * steps)
    if training.schedule == "steps":
        return schedules.ExponentialDecay(rate, 10 * steps, 0.1, staircase=True)
    return rate
