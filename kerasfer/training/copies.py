"""Copies of classifiers, layer by layer."""

import functools

import keras


def copy_of(model, **changes):
    """A copy of a functional model with its weights, and with other settings.

    Functional models within it are copied alike, `Lambda` layers shared, as they have
    no weights; other layers, and models of a class of their own, are made anew by their
    `get_config` and `from_config`.

    Args:
        model: functional or sequential.
        changes: setting -> value, for each layer whose config has such a setting.

    Raises:
        ValueError: a layer or model in it that Keras cannot copy; with what to do.

    >>> backbone = kerasfer.backbones.compact((48, 48, 3))
    >>> penalized = copy_of(backbone, kernel_regularizer="l2")
    >>> len(backbone.losses) == 0 < len(penalized.losses)
    True
    """

    def clone(layer):
        if is_functional(layer):
            return copy_of(layer, **changes)
        if isinstance(layer, keras.layers.Lambda) and not layer.weights:
            return layer
        try:
            config = layer.get_config()
            if hasattr(layer, "synchronized"):  # Keras 2.15 leaves it out
                config["synchronized"] = layer.synchronized
            config |= {name: changes[name] for name in changes if name in config}
            return type(layer).from_config(config)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise _no_copy(layer, error) from error

    copy = keras.models.clone_model(model, clone_function=clone)
    try:
        copy.set_weights(model.get_weights())
    except ValueError as error:  # of a class whose config forgets an argument
        raise _no_copy(model, error) from error
    return copy


def is_functional(model):
    """Whether a model is made of layers that can be seen: functional, or sequential."""
    return isinstance(model, (_functional(), keras.Sequential))


@functools.cache
def _functional():
    """The class of functional models, to which Keras gives no public name."""
    tensor = keras.Input((1,), name="tensor")
    return type(keras.Model(tensor, tensor, name="functional"))


def _no_copy(layer, error):
    return ValueError(
        f"Keras cannot copy {layer.name!r} ({type(layer).__name__}), and training "
        "averages the weights of a copy. Give its class a `get_config` that returns "
        "all arguments of its constructor, or build the network from layers by "
        f"keras.Model(inputs, outputs). Keras says: {error}"
    )
