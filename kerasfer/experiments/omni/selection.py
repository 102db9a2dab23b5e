"""The selection of reliable faces from the sea."""

import dataclasses

import numpy as np

import kerasfer
from kerasfer.deploy.safe_loading import load_classifier
from kerasfer.experiments.omni.plots import draw_contact_sheet
from kerasfer.experiments.omni.primitive import embedded
from kerasfer.experiments.omni.stages import fingerprint, finish, is_made
from kerasfer.experiments.run_folder import RunFolder

_ROWS = 4096  # of embeddings, read from their file at a time


def make_selection(folder, config, split, primitive):
    """selected.csv: path, label, cosine margin, rank; and a contact sheet.

    Returns:
        manifest of the selected faces, with their pseudo-labels; and what is known of
        the selection, for the result.
    """
    import pandas as pd

    from kerasfer.safe_write import atomic_write

    output, omni, sea = folder / "selected.csv", config.omni, split.unlabeled
    if omni.selected:
        table = pd.read_csv(omni.selected, dtype=str)
    else:
        settings = [omni.delta, omni.keep_fraction, omni.most_per_class]
        made_from = fingerprint(
            settings, RunFolder(primitive).classifier, list(sea.names)
        )
        if not is_made(output, made_from):
            table = _select(folder, config, sea, primitive, split.labeled.class_names)
            with atomic_write(output) as temporary:
                table.to_csv(temporary, index=False, float_format="%.6f")
            finish(output, made_from)
        table = pd.read_csv(output, dtype=str)
    selected = _with_labels(table, sea, split.labeled.class_names)
    if not omni.selected:
        draw_contact_sheet(folder / "selected.png", selected)
    return selected, _purity(selected, sea)


def _select(folder, config, sea, primitive, class_names):
    import pandas as pd

    classifier = load_classifier(RunFolder(primitive).classifier)
    centroids = np.load(primitive / "centroids.npy")
    embeddings = _on_disk(
        folder / ".sea_embeddings.npy",
        embedded(classifier, config, sea, "Embedding the sea"),
        (len(sea), centroids.shape[1]),
    )
    delta = config.omni.delta
    if delta is None:
        fraction = config.omni.keep_fraction
        delta = kerasfer.omni.calibrated_delta(_rows(embeddings), centroids, fraction)
    indices, labels, margins = kerasfer.omni.select(
        _rows(embeddings), centroids, delta, config.omni.most_per_class
    )
    (folder / ".sea_embeddings.npy").unlink()
    if not len(indices):
        raise ValueError(
            f"No face of the sea has a cosine margin of {delta}. Lower --delta, or "
            "leave it out and give --keep-fraction."
        )
    print(f"Selected {len(indices)} of {len(sea)} faces with a margin of {delta:.5f}.")
    table = pd.DataFrame(
        {
            "path": sea.names[indices],
            "label": [class_names[k] for k in labels],
            "cosine_margin": margins,
        }
    )
    ranks = table.groupby("label")["cosine_margin"].rank(
        ascending=False, method="first"
    )
    return table.assign(rank=ranks.astype(int)).sort_values(["label", "rank"])


def _on_disk(path, batches, shape):
    """Embeddings in a file, so that memory does not grow with the sea."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    start = 0
    for embeddings, _ in batches:
        array[start : start + len(embeddings)] = embeddings
        start += len(embeddings)
    return array


def _rows(array):
    return (array[i : i + _ROWS] for i in range(0, len(array), _ROWS))


def _with_labels(table, sea, class_names):
    """The selected rows of the sea, in the order of the table, with its labels."""
    rows = {name: row for row, name in enumerate(sea.names)}
    unknown = [path for path in table["path"] if path not in rows]
    if unknown:
        raise ValueError(
            f"{len(unknown)} selected faces are not among the unlabelled ones, the "
            f"first is {unknown[0]}."
        )
    index = {name: k for k, name in enumerate(class_names)}
    labels = table["label"].map(index)
    if labels.isna().any():
        raise ValueError(
            f"Selected faces have labels outside of {', '.join(class_names)}."
        )
    selected = sea.subset(np.array([rows[path] for path in table["path"]]))
    return dataclasses.replace(selected, labels=labels.to_numpy(np.int32))


def _purity(selected, sea):
    """How many were selected, and how many rightly, of those whose class is known."""
    row = {name: k for k, name in enumerate(sea.names)}
    truth = sea.labels[[row[name] for name in selected.names]]
    known = truth >= 0
    result = {"selected": len(selected), "selected_known": int(known.sum())}
    if known.any():
        result["purity"] = float((truth == selected.labels)[known].mean())
    return result
