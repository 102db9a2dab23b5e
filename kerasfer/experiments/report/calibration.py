"""Whether a run's classifier is right as often as it says."""

import functools

from kerasfer.experiments.report.page import Section


def calibration(run):
    """The section of reliability diagrams on the test and validation sets."""
    from kerasfer.analysis import figures
    from kerasfer.deploy.calibration import expected_calibration_error

    section, drawn = Section("Calibration"), []
    test, validation = run.files.predictions_test, run.files.predictions_validation
    for part, path in (("test", test), ("validation", validation)):
        if not run.result or not path.exists():
            continue
        labels, probs = run.predictions(path)
        if not (labels >= 0).any():
            continue
        error = expected_calibration_error(labels, probs, run.task)
        draw = functools.partial(figures.reliability_diagram, labels, probs, run.task)
        drawn.append(
            (f"{part.capitalize()}: expected calibration error {error:.3f}", draw)
        )
    section.figures(*drawn)
    if drawn:
        section.say(
            "Above the diagonal the model is right more often than it says, below it "
            "less often. `kerasfer export` fits a temperature on validation faces."
        )
    return section
