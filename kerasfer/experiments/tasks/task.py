"""What a recipe needs to know of what is learned."""

from typing import Protocol


class Task(Protocol):
    """Data, metrics and results of a kind of label: `Expressions`, `ActionUnits`.

    `faces` are the flags of the data, `split` the parts of a manifest, `model` is a
    scheme.
    """

    def build_split(self, faces, seed):
        """The parts of the data: labelled, unlabelled, validation, test.

        Raises:
            ValueError: a manifest without labels of this kind.
        """

    def training_data(
        self, faces, split, model, seed, start_step=0, strategy=None, **options
    ):
        """Batches for `fit`, from a step on; options of `training_dataset`."""

    def metrics(self, manifest):
        """Keras metrics of training and validation, for the classes of a manifest."""

    def pseudo_classes(self, model, manifest):
        """Names of the classes of pseudo-labels; none where there are none."""

    def scores(self, faces, model, split):
        """Name -> score of the test set, in [0, 1]."""

    def evaluate(self, folder, faces, model, split):
        """Reads the test set, writes its predictions; returns what result.json has."""

    def write_validation(self, path, faces, model, split):
        """Writes predictions of validation faces."""

    def inspect(self, faces, model, manifest):
        """What the model makes of faces, a `kerasfer.analysis.inspection.Inspected`."""

    def kinds(self, manifest):
        """What each face is, for the colours of a figure."""

    def names_of(self, split):
        """Names of the classifier's outputs."""

    def summarize(self, results):
        """The table of some runs, a pandas frame, a row a method."""

    def draw(self, folder, results):
        """The figures beside that table."""
