"""Flags of the recipes with a margin loss, and what they ask for."""

import dataclasses
from typing import Literal

from kerasfer.experiments.flags import require_at_least, require_within

MARGIN_LOSSES = Literal["large_margin", "center", "island"]


@dataclasses.dataclass(frozen=True)
class Margin:
    margin_loss: tuple[MARGIN_LOSSES, ...] = ("large_margin",)
    """Losses on the embedding, a row of the table each."""
    framework: tuple[Literal["supervised", "ssl"], ...] = ("ssl",)
    """On labelled faces only, or on unlabelled ones too; a row each."""
    supervised_weight: float = 1.0
    """lambda_1 (lambda_3 for action units) of the loss on labels."""
    margin_weight: float | None = None
    """lambda_2 (lambda_4) of the margin; None balances it after the first epoch."""
    final_weight: float = 1.0
    """Factor of the margin's weight at the end, reached linearly."""
    centroid_rate: float = 0.5
    """Of the centroids' steps."""
    pair_weight: float = 10.0
    """lambda_1 of the island loss, between centroids."""
    squared: bool = False
    """Squared distances in the large margin, as the paper's gradient has them."""
    self_threshold: float = 0.0
    """Confidence from which a self-label takes part, of expressions; 0 takes all."""
    supervised_epochs: int | None = None
    """Epochs of what sees no unlabelled faces; None is as many as the others."""

    def __post_init__(self):
        require_at_least(self, 0, "supervised_weight", "final_weight", "pair_weight")
        require_within(self, 0, 1, "centroid_rate", "self_threshold")
        for name, lowest in (("margin_weight", 0), ("supervised_epochs", 1)):
            if getattr(self, name) is not None:
                require_at_least(self, lowest, name)

    @property
    def methods(self):
        """Such as "center_supervised" and "large_margin_ssl"."""
        return [f"{loss}_{f}" for f in self.framework for loss in self.margin_loss]


def scheme_options(margin, method):
    """Keywords of a scheme with a margin, by the name of a method."""
    loss, _, framework = method.rpartition("_")
    weight = margin.margin_weight
    return {
        "margin_loss": loss,
        "unlabeled": framework == "ssl",
        "margin_weight": "balanced" if weight is None else weight,
        "final_weight": margin.final_weight,
        "centroid_rate": margin.centroid_rate,
        "pair_weight": margin.pair_weight,
        "squared": margin.squared and loss == "large_margin",
    }


def config_for(config, method):
    """The config with the epochs of a method."""
    epochs = config.margin.supervised_epochs
    if epochs is None or method.endswith("_ssl"):
        return config
    training = dataclasses.replace(config.training, epochs=epochs)
    return dataclasses.replace(config, training=training)


def search_space(hp, config):
    return {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"),
        "margin_weight": hp.Float("margin_weight", 0.01, 10.0, sampling="log"),
        "final_weight": hp.Choice("final_weight", [0.1, 0.3, 1.0]),
        "centroid_rate": hp.Choice("centroid_rate", [0.1, 0.5, 1.0]),
    }
