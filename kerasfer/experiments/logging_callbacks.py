"""What a run writes of itself while it trains."""

import contextlib
import dataclasses
import warnings

from kerasfer.experiments import data
from kerasfer.experiments.progress import progress_of_epochs
from kerasfer.experiments.run_folder import RunFolder

_SEEN = 512  # unlabelled faces of which the surest are looked for


@dataclasses.dataclass(frozen=True)
class Watching:
    """Callbacks that write a run's tables, and its pages for TensorBoard."""

    run: RunFolder
    classes: tuple
    """Of pseudo-labels."""
    diagnosis: object
    tensorboard: tuple = ()

    @property
    def files(self):
        """That they write, for the checkpoint. TensorBoard's are added to."""
        run = self.run
        return [run.metrics, run.pseudo_labels, run.confidences, run.findings]

    def callbacks(self, update, goes_on):
        """In order, around the one that moves thresholds at the end of an epoch.

        Args:
            update: the callback `EpochUpdate`.
            goes_on: whether the run was begun before.
        """
        import keras

        from kerasfer.callbacks import PseudoLabelAudit

        return [
            # Before the update, whose threshold a class would fill the line.
            progress_of_epochs(self.run.path.name),
            update,
            PseudoLabelAudit(
                self.run.pseudo_labels, self.classes, self.run.confidences
            ),
            self.diagnosis,
            keras.callbacks.CSVLogger(str(self.run.metrics), append=goes_on),
            *self.tensorboard,
        ]


def watching(folder, config, task, model, split):
    """The `Watching` of a run."""
    from kerasfer.callbacks import Diagnosis

    run = RunFolder(folder)
    classes = tuple(task.pseudo_classes(model, split.labeled))
    counts = split.labeled.class_counts() if split.labeled.class_names else None
    diagnosis = Diagnosis(classes, counts, run.findings)
    pages = ()
    if config.output.tensorboard:
        pages = tuple(_tensorboard(run.tensorboard, config, task, split, classes))
    return Watching(run, classes, diagnosis, pages)


def _tensorboard(folder, config, task, split, classes):
    import keras

    from kerasfer.callbacks import TensorBoardFigures

    def images(part):
        some = data.evenly_spaced(part, _SEEN)
        return data.build_evaluation_data(config.faces, some)

    has_classes = bool(split.labeled.class_names)
    yield keras.callbacks.TensorBoard(str(folder), write_graph=False)
    yield TensorBoardFigures(
        folder,
        classes,
        images(split.validation) if has_classes else None,
        images(split.unlabeled) if has_classes and len(split.unlabeled) else None,
        config.output.figures_every,
    )


@contextlib.contextmanager
def plain_warnings():
    """Warnings of a training on a line of their own, not of a file of Keras."""
    from kerasfer.callbacks import TrainingWarning

    usual = warnings.formatwarning

    def plain(message, category, *where, **more):
        if issubclass(category, TrainingWarning):
            return f"\nwarning: {message}\n"
        return usual(message, category, *where, **more)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def note_end(folder, error):
    """Notes the error that ended a run among its findings."""
    from kerasfer.callbacks.diagnosis import write_finding

    write_finding(RunFolder(folder).findings, "", "the loss is not finite", error)
