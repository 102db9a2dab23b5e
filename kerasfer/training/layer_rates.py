"""Learning rates by depth: less at a pretrained network's first layers."""

import tensorflow as tf

from kerasfer.backbones import layers_with_weights


class LayerRates:
    """Steps of an optimiser, scaled by how deep in the classifier a weight lies.

        rate of layer l of L:  r ^ (1 - l / (L - 1)) times the learning rate,  l = 0 ...

    so that the first layer has r times the rate of the last. Each weight's update is
    multiplied by its factor afterwards. For SGD and Adam, decoupled weight decay
    included, this equals a smaller learning rate, so one optimiser is enough; under
    Lookahead it does not.

    Args:
        classifier: functional model.
        first: r in (0, 1]; 1 leaves all steps as they are.
    """

    def __init__(self, classifier, first):
        if not 0 < first <= 1:
            raise ValueError(
                f"`first_layer_rate` must be in (0, 1]. Received: {first}."
            )
        layers = [] if first == 1 else layers_with_weights(classifier)
        last = max(1, len(layers) - 1)
        self.scaled = [
            (variable, first ** (1 - place / last))
            for place, layer in enumerate(layers)
            for variable in layer.trainable_variables
            if place < last
        ]

    def check(self, num_replicas):
        """Raises a ValueError where variables cannot be assigned by a replica."""
        if self.scaled and num_replicas > 1:
            raise ValueError(
                f"`first_layer_rate` works on one device only, and there are "
                f"{num_replicas}. Leave it at 1, or freeze layers."
            )

    def before(self):
        """The values of the weights whose steps are scaled."""
        return [tf.identity(variable) for variable, _ in self.scaled]

    def scale_steps(self, before):
        """Takes back a part of each step since `before`."""
        for (variable, rate), value in zip(self.scaled, before, strict=True):
            variable.assign(value + rate * (tf.convert_to_tensor(variable) - value))
