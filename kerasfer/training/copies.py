"""Copies of functional models, layer by layer."""

import keras


def copy_of(model, **changes):
    """A copy of a functional model with its weights, and with other settings.

    Args:
        model: of registered or built-in layers; models within it are copied alike.
        changes: setting -> value, for each layer whose config has such a setting.

    >>> copy_of(backbone, kernel_regularizer="l2")
    <Functional ...>
    """

    def clone(layer):
        if isinstance(layer, keras.Model):
            return copy_of(layer, **changes)
        config = layer.get_config()
        if hasattr(layer, "synchronized"):  # Keras 2.15 leaves it out
            config["synchronized"] = layer.synchronized
        config |= {name: changes[name] for name in changes if name in config}
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy
