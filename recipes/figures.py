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

import kerasfer
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
    """Folder of the pictures; those of the same name are replaced."""
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


def draw_toy(config):
    import matplotlib.pyplot as plt

    from kerasfer.experiments.figures import toy_clusters
    from kerasfer.safe_write import written_aside

    draws = toy_clusters.draws(config.toy_seeds)
    figure, grid = plt.subplots(len(draws), 3, figsize=(11, 7), layout="constrained")
    for axes, (situation, runs) in zip(grid, draws.items(), strict=True):
        toy_clusters.draw(axes, situation, toy_clusters.typical(runs))
    save(figure, config.out / "toy.png")
    table = toy_clusters.measure(draws).set_index("clusters").T
    text = f"Accuracy in %, {config.toy_seeds} draws.\n\n{table.to_markdown()}\n"
    with written_aside(config.out / "toy.md") as aside:
        aside.write_text(text)
    print(text)


def draw_embeddings(config, name, sets, width, title):
    from kerasfer.experiments.figures import embeddings as embedding_figures

    snapshots = [
        embedding_figures.train(set_name, manifest, config, width)
        for set_name, manifest in sets.items()
    ]
    if width > 2:
        snapshots = [embedding_figures.flattened(s, config.seed) for s in snapshots]
    save(embedding_figures.draw(snapshots, title), config.out / f"{name}.png")


def data_sets(config):
    """Name -> manifest of labelled images."""
    if config.manifest is None:
        render = kerasfer.data.synthetic.render_manifest
        count = config.rendered_faces
        return {
            "wild, faint": render(count, seed=0, intensity=(0.3, 0.6)),
            "posed, full": render(count, seed=1, domain="posed", intensity=(0.9, 1.0)),
        }
    paths = [path for path in (config.manifest, config.other) if path]
    manifests = [kerasfer.data.read_manifest(path) for path in paths]
    return {
        path.resolve().parent.name: manifest.subset(manifest.labels >= 0)
        for path, manifest in zip(paths, manifests, strict=True)
    }


def save(figure, path):
    import matplotlib.pyplot as plt

    from kerasfer.safe_write import written_aside

    with written_aside(path) as aside:
        figure.savefig(aside, dpi=110)
    plt.close(figure)
    print(f"Wrote {path}.")


if __name__ == "__main__":
    import matplotlib

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
