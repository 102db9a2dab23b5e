"""The figures of `recipes/figures.py`, from its flags."""

import kerasfer
from kerasfer.experiments.figures import embeddings, toy_clusters
from kerasfer.safe_write import atomic_write


def draw_toy(config):
    import matplotlib.pyplot as plt

    draws = toy_clusters.draws(config.toy_seeds)
    figure, grid = plt.subplots(len(draws), 3, figsize=(11, 7), layout="constrained")
    for axes, (situation, runs) in zip(grid, draws.items(), strict=True):
        toy_clusters.draw(axes, situation, toy_clusters.typical(runs))
    _save(figure, config.out / "toy.png")
    table = toy_clusters.measure(draws).set_index("clusters").T
    text = f"Accuracy in %, {config.toy_seeds} draws.\n\n{table.to_markdown()}\n"
    with atomic_write(config.out / "toy.md") as temporary:
        temporary.write_text(text)
    print(text)


def draw_embeddings(config, name, sets, width, title):
    snapshots = [
        embeddings.train(set_name, manifest, config, width)
        for set_name, manifest in sets.items()
    ]
    if width > 2:
        snapshots = [embeddings.flattened(s, config.seed) for s in snapshots]
    _save(embeddings.draw(snapshots, title), config.out / f"{name}.png")


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


def _save(figure, path):
    import matplotlib.pyplot as plt

    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)
    print(f"Wrote {path}.")
