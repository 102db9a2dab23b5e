"""Figures of selected faces and of distilled images."""

import numpy as np

from kerasfer.experiments.plots import figure_of, save_figure

_COLUMNS = 12


def draw_contact_sheet(path, selected):
    """The selected faces of each class, those of the largest margins first.

    Faces must be in the order of a selected.csv sorted by margin within the class.
    """
    names = selected.class_names
    figure, grid = figure_of(
        len(names), _COLUMNS, figsize=(_COLUMNS, 1.1 * len(names)), squeeze=False
    )
    for k, axes in enumerate(grid):
        rows = np.flatnonzero(selected.labels == k)[:_COLUMNS]
        for ax in axes:
            ax.set(xticks=[], yticks=[], frame_on=False)
        for ax, row in zip(axes, rows, strict=False):
            ax.imshow(selected.image(row, 3))
        axes[0].set_ylabel(names[k], fontsize=8)
    save_figure(figure, path)


def draw_distilled(path, file):
    """Distilled images, a column a class, each stretched to its own range."""
    from kerasfer.omni.distillation import load_images

    images, labels, names = load_images(file)
    rows = len(images) // len(names)
    figure, grid = figure_of(
        rows, len(names), figsize=(1.5 * len(names), 1.7 * rows), squeeze=False
    )
    for ax, image, label in zip(grid.flat, images, labels, strict=True):
        ax.imshow(_stretched(image))
        ax.set(title=names[label], xticks=[], yticks=[])
    save_figure(figure, path)


def draw_evolution(path, files):
    """The first image of each class after some epochs, a row an epoch."""
    from kerasfer.omni.distillation import load_images

    snapshots = [load_images(file)[0] for file in files]
    names = load_images(files[0])[2]
    figure, grid = figure_of(
        len(files),
        len(names),
        figsize=(1.3 * len(names), 1.4 * len(files)),
        squeeze=False,
    )
    for axes, images, file in zip(grid, snapshots, files, strict=True):
        for ax, image in zip(axes, images, strict=False):
            ax.imshow(_stretched(image))
            ax.set(xticks=[], yticks=[])
        axes[0].set_ylabel(file.stem.replace("_", " "), fontsize=7)
    for ax, name in zip(grid[0], names, strict=True):
        ax.set_title(name, fontsize=8)
    save_figure(figure, path)


def draw_curve(path, values, title):
    """Accuracy in percent per epoch."""
    figure, ax = figure_of(figsize=(5, 3.4))
    ax.plot(range(1, len(values) + 1), 100 * np.asarray(values), marker=".")
    ax.set(title=title, xlabel="epoch", ylabel="accuracy, %", ylim=(0, 103))
    ax.grid(alpha=0.3)
    save_figure(figure, path)


def _stretched(image):
    low, high = image.min(), image.max()
    return (image - low) / max(high - low, 1e-6)
