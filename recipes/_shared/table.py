"""Results of runs as a table, a file of results, and pictures."""

_RARE = 3


def write_predictions(path, model, dataset, manifest):
    """Writes a row per image, and returns accuracies and class counts."""
    import numpy as np
    import pandas as pd

    from kerasfer.metrics import ConfusionMatrix
    from kerasfer.safe_write import written_aside

    predictions = _predictions(model, dataset)
    probs, names = predictions.pop("probs"), manifest.class_names
    table = pd.DataFrame(probs, columns=[f"p_{name}" for name in names])
    table.insert(0, "predicted", [names[k] for k in probs.argmax(-1)])
    table.insert(0, "label", [names[k] for k in manifest.labels])
    table.insert(0, "path", manifest.names)
    with written_aside(path) as aside:
        table.to_csv(aside, index=False, float_format="%.5f")
    confusion = ConfusionMatrix(len(names))
    confusion.update_state(manifest.labels, probs)
    result = {
        **_accuracies(manifest, probs),
        "class_names": list(names),
        "confusion": np.asarray(confusion.result()).astype(int).tolist(),
    }
    for name, other in predictions.items():  # ReMoP's linear and feature classifiers
        prefix = name.removesuffix("probs")
        for score, value in _accuracies(manifest, other).items():
            result[prefix + score] = value
    return result


def _predictions(model, dataset):
    """Name -> (images, classes), for each of the classifier's outputs that is one."""
    import numpy as np

    batches = [model.infer(images) for images, _ in dataset]
    return {
        name: np.concatenate([batch[name] for batch in batches])
        for name in batches[0]
        if name.endswith("probs")
    }


def _accuracies(manifest, probs):
    from kerasfer.metrics import MeanClassAccuracy

    mean_class = MeanClassAccuracy(manifest.num_classes)
    mean_class.update_state(manifest.labels, probs)
    return {
        "accuracy": float((probs.argmax(-1) == manifest.labels).mean()),
        "mean_class_accuracy": float(mean_class.result()),
    }


def summarize(results):
    """One row per method: mean and deviation over seeds, and the rarest classes.

    The error of a rare class is that of its few test images, sqrt(p (1 - p) / n), with
    p the mean accuracy over seeds; more seeds do not make it smaller.
    """
    import numpy as np
    import pandas as pd

    rows = []
    for method, runs in pd.DataFrame(results).groupby("method", sort=False):
        row = {"method": method, "seeds": len(runs)}
        for name, title in (
            ("accuracy", "accuracy %"),
            ("mean_class_accuracy", "mean class accuracy %"),
        ):
            row[title] = _mean_and_deviation(100 * runs[name])
        confusions = np.stack([np.array(c) for c in runs["confusion"]])
        sizes = confusions[0].sum(1)
        rarest = [k for k in np.argsort(sizes, kind="stable") if sizes[k]][:_RARE]
        for k in rarest:
            p = (confusions[:, k, k] / sizes[k]).mean()
            error = 100 * np.sqrt(p * (1 - p) / sizes[k])
            title = f"{runs['class_names'].iloc[0][k]} % (n={sizes[k]})"
            row[title] = f"{100 * p:.1f} (se {error:.1f})"
        row["minutes a run"] = f"{runs['minutes'].mean():.1f}"
        rows.append(row)
    return pd.DataFrame(rows)


def _mean_and_deviation(values):
    if len(values) == 1:
        return f"{values.iloc[0]:.1f}"
    return f"{values.mean():.1f} ± {values.std():.1f}"


def report(folder, results):
    """Prints the table; writes table.csv, table.md, results.csv (a row a run) and a
    confusion matrix per method."""
    import pandas as pd

    from kerasfer.safe_write import written_aside

    table = summarize(results)
    text = table.to_markdown(index=False)
    with written_aside(folder / "table.csv") as aside:
        table.to_csv(aside, index=False)
    with written_aside(folder / "table.md") as aside:
        aside.write_text(text + "\n")
    runs = pd.DataFrame(results).drop(columns=["class_names", "confusion"])
    with written_aside(folder / "results.csv") as aside:
        runs.to_csv(aside, index=False, float_format="%.4f")
    for method in table["method"]:
        draw_confusion(
            folder / f"confusion_{method}.png",
            [result for result in results if result["method"] == method],
        )
    print(f"\n{text}\n")
    print("The test part was read once, by the weights of the best validation epoch.")
    print(f"Folder: {folder}")


def draw_confusion(path, results):
    """A picture of the confusion matrix, summed over seeds, in shares of each row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    from sklearn.metrics import ConfusionMatrixDisplay

    from kerasfer.safe_write import written_aside

    counts = np.sum([result["confusion"] for result in results], 0)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(6, 5.4), layout="constrained")
    display = ConfusionMatrixDisplay(shares, display_labels=results[0]["class_names"])
    display.plot(
        ax=axes, cmap="Blues", values_format=".0f", xticks_rotation=45, colorbar=False
    )
    seeds = ", ".join(str(result["seed"]) for result in results)
    axes.set(
        title=f"{results[0]['method']}, test part, seeds {seeds}",
        xlabel="predicted",
        ylabel="true (% of row)",
    )
    with written_aside(path) as aside:
        figure.savefig(aside, dpi=110)
    plt.close(figure)
