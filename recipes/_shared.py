"""What the recipes share: flags from a dataclass, the run folder, the final table."""

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import re
import sys
import time

import tyro
import yaml

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
RESULT = "result.json"  # written last: a folder that has it is a finished run


# --- flags ----------------------------------------------------------------------------


def parse(config_class, arguments=None):
    """A config from defaults < `--config file.yaml` < flags.

    A YAML file is a list of flags written down: its keys are the names of the fields,
    and what is unknown or ill-typed is refused as on the command line.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    arguments = _flags_of_config_file(arguments) + arguments
    description = (
        f"{sys.modules[config_class.__module__].__doc__}\n\n"
        "--config FILE.yaml reads flags from a file; flags given here win."
    )
    try:
        return tyro.cli(config_class, description=description, args=arguments)
    except ValueError as error:  # from __post_init__: a value that cannot be
        raise SystemExit(f"error: {error}") from None


def _flags_of_config_file(arguments):
    """Takes `--config FILE` out of the arguments; gives the flags in the file."""
    flags = []
    for flag in [a for a in arguments if a == "--config" or a.startswith("--config=")]:
        at = arguments.index(flag)
        _, has_value, path = flag.partition("=")
        if not has_value:
            path = arguments.pop(at + 1) if at + 1 < len(arguments) else ""
        arguments.pop(at)
        try:
            content = yaml.safe_load(pathlib.Path(path).read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise SystemExit(f"error: --config {path}: {error}") from None
        if not isinstance(content, dict):
            raise SystemExit(f"error: --config {path}: expected `name: value` lines.")
        for name, value in content.items():
            flags += _flag(name, value)
    return flags


def _flag(name, value):
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *map(str, values)]


def require_at_least(config, lowest, *names):
    """Raises a ValueError if one of the fields, or an entry of it, is smaller."""
    _require(config, names, lambda value: value >= lowest, f"at least {lowest}")


def require_above_0(config, *names):
    """Raises a ValueError if one of the fields is 0 or negative."""
    _require(config, names, lambda value: value > 0, "more than 0")


def require_within(config, lowest, highest, *names):
    """Raises a ValueError if one of the fields is outside [lowest, highest]."""
    expected = f"{lowest} to {highest}"
    _require(config, names, lambda value: lowest <= value <= highest, expected)


def _require(config, names, holds, expected):
    for name in names:
        value = getattr(config, name)
        entries = value if isinstance(value, tuple) else (value,)
        if not entries or not all(map(holds, entries)):
            flag = "--" + name.replace("_", "-")
            raise ValueError(f"{flag}: expected {expected}. Received: {value}.")


# --- run folder -----------------------------------------------------------------------


def slug(text):
    """A name for a folder: "balanced:labels=560" -> "balanced-labels=560"."""
    return re.sub(r"[^\w=.,-]+", "-", str(text)).strip("-")


@dataclasses.dataclass
class Run:
    """One training run: its folder, and whether it is finished already."""

    folder: pathlib.Path
    config: dict

    @property
    def result(self):
        """The finished run's result, or None."""
        path = self.folder / RESULT
        return json.loads(path.read_text()) if path.exists() else None


def open_run(folder, config):
    """Claims a folder for a run, and writes config.yaml and env.json into it.

    A finished run with the same config is given back as it is. An unfinished one is
    moved aside. Anything else that stands there is an error: nothing is overwritten.
    """
    folder, config = pathlib.Path(folder), json.loads(json.dumps(config))
    run = Run(folder, config)
    if folder.exists() and any(folder.iterdir()):
        written = folder / "config.yaml"
        if not written.exists():
            raise SystemExit(
                f"error: {folder} exists and is not a run of ours (no config.yaml). "
                "Choose another --out."
            )
        if run.result is not None:
            if yaml.safe_load(written.read_text()) == config:
                return run
            raise SystemExit(
                f"error: {folder} holds a finished run with another configuration (see "
                "its config.yaml). Choose another --out; nothing was changed."
            )
        aside = _free_name(folder)
        folder.rename(aside)
        print(f"An unfinished run was in {folder}; moved to {aside}.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "env.json").write_text(json.dumps(environment(), indent=2))
    return run


def _free_name(folder):
    number = 1
    while (aside := folder.with_name(f"{folder.name}.unfinished-{number}")).exists():
        number += 1
    return aside


def environment():
    """Versions, machine and date, for env.json."""
    import keras
    import numpy
    import tensorflow as tf

    import kerasfer
    from kerasfer.faces import cv2

    return {
        "kerasfer": kerasfer.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "devices": [d.name for d in tf.config.list_physical_devices()],
        "started": datetime.datetime.now().isoformat(timespec="seconds"),
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
    }


@contextlib.contextmanager
def reported_errors():
    """Ends the program with one clear line where a user's input is at fault."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nInterrupted. The run folder holds the metrics and weights so far.")
        raise SystemExit(130) from None
    except (FileNotFoundError, ValueError, FloatingPointError) as error:
        raise SystemExit(f"error: {error}") from None
    except OSError as error:
        raise SystemExit(
            f"error: cannot write or read: {error}. Check the disk's free space and "
            "the permissions of --out."
        ) from None
    except Exception as error:
        # An image that cannot be read fails inside TensorFlow, which wraps the error.
        own = re.search(
            r"(?:ValueError|FileNotFoundError): (.+?)\nTraceback", str(error)
        )
        if own is None:
            raise
        raise SystemExit(f"error: {own.group(1)}") from None


# --- training, testing ----------------------------------------------------------------


def fit_and_test(run, config, model, split, train, validation, callbacks=()):
    """Trains, picks the epoch on validation data, reads the test part once.

    Writes metrics.csv, pseudo_labels.csv, best and last weights, predictions_test.csv
    and result.json into the run's folder.

    Returns:
        the result, a dict.
    """
    import keras
    from tqdm.keras import TqdmCallback

    from kerasfer import callbacks as ours
    from kerasfer.data import evaluation_dataset

    best = ours.SaveWeights(run.folder / "best.weights.h5", config.monitor)
    start = time.monotonic()
    model.fit(
        train,
        validation_data=validation,
        epochs=config.epochs,
        steps_per_epoch=config.steps_per_epoch,
        verbose=0,
        callbacks=[
            *callbacks,
            best,
            ours.SaveWeights(run.folder / "last.weights.h5"),
            ours.PseudoLabelAudit(
                run.folder / "pseudo_labels.csv", split.labeled.class_names
            ),
            keras.callbacks.CSVLogger(str(run.folder / "metrics.csv")),
            TqdmCallback(verbose=0, desc=run.folder.name),
        ],
    )
    minutes = (time.monotonic() - start) / 60
    model.load_weights(str(best.path))
    test = evaluation_dataset(split.test, image_shape=model.classifier.input_shape[1:])
    result = {
        "method": run.config["method"],
        "seed": run.config["seed"],
        "epoch": best.best_epoch,
        "selected_on": config.monitor,
        config.monitor: best.best,
        "minutes": round(minutes, 2),
        **write_predictions(
            run.folder / "predictions_test.csv", model, test, split.test
        ),
    }
    (run.folder / RESULT).write_text(json.dumps(result, indent=2))
    return result


def write_predictions(path, model, dataset, manifest):
    """Writes a row per image, and returns accuracies and class counts."""
    import numpy as np
    import pandas as pd

    from kerasfer.metrics import ConfusionMatrix, MeanClassAccuracy
    from kerasfer.safe_write import written_aside

    probs = model.predict(dataset, verbose=0)
    names = manifest.class_names
    table = pd.DataFrame(probs, columns=[f"p_{name}" for name in names])
    table.insert(0, "predicted", [names[k] for k in probs.argmax(-1)])
    table.insert(0, "label", [names[k] for k in manifest.labels])
    table.insert(0, "path", manifest.names)
    with written_aside(path) as aside:
        table.to_csv(aside, index=False, float_format="%.5f")
    confusion, mean_class = ConfusionMatrix(len(names)), MeanClassAccuracy(len(names))
    for metric in (confusion, mean_class):
        metric.update_state(manifest.labels, probs)
    counts = np.asarray(confusion.result()).astype(int)
    return {
        "accuracy": float((probs.argmax(-1) == manifest.labels).mean()),
        "mean_class_accuracy": float(mean_class.result()),
        "class_names": list(names),
        "confusion": counts.tolist(),
    }


# --- the table ------------------------------------------------------------------------

_RARE = 3


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
    """Prints the table; writes table.csv, table.md, a confusion matrix per method."""
    from kerasfer.safe_write import written_aside

    table = summarize(results)
    text = table.to_markdown(index=False)
    with written_aside(folder / "table.csv") as aside:
        table.to_csv(aside, index=False)
    with written_aside(folder / "table.md") as aside:
        aside.write_text(text + "\n")
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
