r"""The figures of the Margin-Mix supplement.

    python recipes/figures.py                             (rendered faces, no download)
    python recipes/figures.py --figure toy --toy-seeds 1000
    python recipes/figures.py --figure plane tsne --manifest FERPLUS.csv \
        --other CIFAR10.csv --image-size 227 --epochs 1 10 50

toy: its Figures 3 and 4, two clusters of points in the plane, separated and
overlapping, self-labelled by pseudo-labels and by distances to centroids; toy.png is of
the draw nearest to the medians, toy.md of many. plane: its Figure 1, AlexNet with an
embedding of 2 numbers, trained with a large margin, the training faces after some
epochs, two data sets side by side. At the defaults the classes of the posed set come
apart as rays: 44 % of its faces are right after 10 epochs, 94 % after 40. tsne: its
Figure 2, the same of the embedding of 4,096, by t-SNE.

The supplement compares FER+ with CIFAR-10; without manifests two rendered sets stand
beside each other: faint expressions in the wild, and full ones posed.
"""

import dataclasses
import pathlib
from typing import Literal

from kerasfer.experiments.flags import (
    parse,
    require_above_0,
    require_at_least,
    require_within,
)
from kerasfer.experiments.runs import reported_errors


@dataclasses.dataclass(frozen=True)
class Config:
    figure: tuple[Literal["toy", "plane", "tsne"], ...] = ("toy", "plane", "tsne")
    """Which figures."""
    out: pathlib.Path = pathlib.Path("runs/figures")
    """Folder of the figures; those of the same name are replaced."""
    seed: int = 0
    """Of the networks and the data's order."""
    toy_seeds: int = 200
    """Draws of the toy over which its table goes."""
    manifest: pathlib.Path | None = None
    """First data set, a CSV of images; None renders faces."""
    other: pathlib.Path | None = None
    """Second data set; needs a manifest."""
    rendered_faces: int = 1600
    """Of each rendered set."""
    points: int = 800
    """At most as many images are shown of a set."""
    image_size: int = 64
    """Side of AlexNet's input, 63 at least; 227 in the paper."""
    epochs: tuple[int, ...] = (5, 10, 40)
    """After which the images are shown; the last ends the training."""
    batch_size: int = 64
    """Images a step."""
    learning_rate: float = 5e-4
    """Of Adam."""
    dropout: float = 0.5
    """Rate inside of AlexNet."""
    margin_weight: float = 1.0
    """lambda_2 of the large margin."""

    def __post_init__(self):
        require_at_least(self, 1, "toy_seeds", "points", "epochs", "batch_size")
        require_at_least(self, 100, "rendered_faces")
        require_at_least(self, 63, "image_size")
        require_at_least(self, 0, "seed", "margin_weight")
        require_above_0(self, "learning_rate")
        require_within(self, 0, 0.99, "dropout")
        if self.other and not self.manifest:
            raise ValueError("--other needs a --manifest to stand beside.")


def main():
    import matplotlib

    from kerasfer.experiments.figures.drawing import (
        data_sets,
        draw_embeddings,
        draw_toy,
    )

    matplotlib.use("Agg")
    config = parse(Config)
    with reported_errors():
        config.out.mkdir(parents=True, exist_ok=True)
        if "toy" in config.figure:
            draw_toy(config)
        sets = data_sets(config) if {"plane", "tsne"} & {*config.figure} else {}
        if "plane" in config.figure:
            title = "AlexNet, embedding of 2 numbers, large margin"
            draw_embeddings(config, "plane", sets, 2, title)
        if "tsne" in config.figure:
            title = "AlexNet, embedding of 4096 numbers, t-SNE"
            draw_embeddings(config, "tsne", sets, 4096, title)


if __name__ == "__main__":
    main()
