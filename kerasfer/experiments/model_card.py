"""MODEL_CARD.md: what a model was trained on, how good it is, what it is not for.

After Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

import html
import re

import kerasfer
from kerasfer.experiments.scores_by import (
    by_class,
    by_subgroup,
    by_unit,
    percent,
    read_attributes,
)

_USE = """\
Says which expression a face **shows**, or which of its muscles move, on images like
those it was trained on. What a face shows is not what a person feels: people feel
without showing it, show what they do not feel, and differ by culture, age and
situation (Barrett et al., "Emotional Expressions Reconsidered", 2019).

- **Not for judging people**: not for hiring, schooling, policing, border control,
  credit, insurance, health, lie detection, or advertising to a single person. In the
  European Union, inferring emotions at work and in education is prohibited, and what
  else recognises them must say so to the people it sees (Regulation 2024/1689).
- Not for faces that are cut out otherwise than below, or come from other cameras,
  without measuring it there first.
- The classes are those of the annotators: rare expressions, and those on which people
  disagree, are where it errs.
"""


def model_card(run, description, differences, calibration, subgroups):
    """The card as Markdown.

    Args:
        run: a `FinishedRun`.
        description: of the export.
        differences: format -> largest difference from the trained model.
        calibration: part -> (error before, error after).
        subgroups: columns of the manifest to give metrics by, where it has them.
    """
    config = run.config
    title = f"# {config['method']}, {_data(config)}"
    sections = {
        "Use and limits": _USE + _face(description),
        "Data and protocol": _protocol(run),
        "Metrics on the test set": _metrics(run, subgroups),
        "Calibration": _calibration(description, calibration),
        "Files": _files(description, differences),
        "Licences": _licences(description),
        "Settings of the run": _settings(config, description),
    }
    parts = [f"## {name}\n\n{text.strip()}\n" for name, text in sections.items()]
    return "\n".join([title, "", *parts])


def _data(config):
    manifest = config["manifest"]
    return f"trained on {manifest or 'rendered faces'} ({config['protocol']})"


def _face(description):
    height, width, _ = description.image_shape
    crop = description.crop
    if crop is None:
        how = (
            "**How its training faces were cut out is not stated**; cut yours out "
            "alike, and export with `--crop` to state it."
        )
    elif crop.kind == "box":
        how = (
            f"A face is the square around the detector's box, {crop.margin:.0%} of it "
            "added on each side."
        )
    else:
        points = ", ".join(f"({x:.3f}, {y:.3f})" for x, y in crop.points)
        how = (
            "A face is turned and scaled so that its eyes, nose and corners of the "
            f"mouth come nearest to {points} of the crop (template `{crop.name}`)."
        )
    colours = description.colour_order
    return f"\nInput: {colours}, {height} x {width} pixels, 0..255. {how}\n"


def _protocol(run):
    faces, config, result = run.result["faces"], run.config, run.result
    lines = [
        f"- Faces: {faces['labeled']} labelled, {faces['unlabeled']} unlabelled, "
        f"{faces['validation']} for validation, {faces['test']} for the test.",
        f"- Protocol: `{config['protocol']}`, seed {config['seed']}; the rows are in "
        "the run's split.csv.",
        f"- Outputs: {', '.join(map(_plain, run.names))}, in this order.",
        f"- Epoch {result['epoch']} of {config['epochs']}, chosen by "
        f"{result['selected_on']} on validation faces; the test set was read once.",
        f"- Trained on {run.env['started'][:10]}, {run.env['machine']}.",
    ]
    return "\n".join(lines)


def _metrics(run, subgroups):
    table = run.table(run.files.predictions_test)
    describe = _units if run.task == "action_units" else _classes
    parts = [describe(run, table)]
    attributes = read_attributes(run.config["manifest"], subgroups)
    if attributes is None:
        parts.append(
            "By subgroup: **not known**, the manifest has no such columns. A model may "
            "be worse for some people than these numbers say."
        )
    else:
        for column, of_groups in by_subgroup(run, table, attributes).items():
            parts.append(f"By {_plain(column)}:\n\n{_markdown(of_groups)}")
    return "\n\n".join(parts)


def _classes(run, table):
    line = (
        f"Accuracy {100 * run.result['accuracy']:.1f} %, mean over classes "
        f"{100 * run.result['mean_class_accuracy']:.1f} %, {len(table)} faces."
    )
    return f"{line}\n\n{_markdown(by_class(run, table))}"


def _units(run, table):
    mean = percent(run.result.get("fitted_f1"))
    line = f"Mean F1 {mean} %, thresholds fitted on validation faces."
    return f"{line}\n\n{_markdown(by_unit(run, table))}"


def _markdown(frame):
    """A table; names of classes and groups are the data's, and may be any text."""
    return frame.map(lambda v: _plain(v) if isinstance(v, str) else v).to_markdown(
        index=False
    )


def _plain(text):
    """Text that is no markup, neither of Markdown nor of HTML."""
    escaped = re.sub(r"([\\`*_\[\]|#$])", r"\\\1", html.escape(text, quote=False))
    return " ".join(escaped.split())


def _calibration(description, calibration):
    before, after = calibration["validation"]
    test_before, test_after = calibration["test"]
    return (
        f"Probabilities are calibrated by the temperature {description.temperature:g}, "
        "fitted on validation faces (which also chose the epoch). Expected calibration "
        f"error, 15 bins: {before:.3f} before, {after:.3f} after on validation faces; "
        f"{test_before:.3f} before, {test_after:.3f} after on the test set."
    )


def _files(description, differences):
    lines = [
        f"- `{kerasfer.deploy.export.FILES[form]}` ({form}): differs from the trained "
        f"model by {difference:.1e} at most on validation faces, loaded in a fresh "
        "process."
        for form, difference in differences.items()
    ]
    return "\n".join([*lines, f"- Precision: {description.precision}."])


def _licences(description):
    if not description.licences:
        return (
            "**Not stated.** Say here under which terms the faces and any pretrained "
            "weights were had, and whether they allow this model to be passed on; most "
            "data sets of faces are for research only. (`--licence` of "
            "kerasfer export.)"
        )
    return "\n".join(f"- {note}" for note in description.licences)


def _settings(config, description):
    lines = [f"- {name}: {value}" for name, value in config.items()]
    versions = [
        f"- {when}: " + ", ".join(f"{name} {number}" for name, number in known.items())
        for when, known in description.versions.items()
    ]
    return "\n".join([*lines, "", "Versions:", "", *versions])
