"""What is known of a data set before a file of it is seen."""

import dataclasses
import pathlib
import typing
from collections.abc import Callable

from kerasfer.vision.expressions import expression


class Rejected(Exception):
    """Why one image cannot be used."""


class Face(typing.NamedTuple):
    """One image of a data set."""

    path: str
    """Below the source's folder; of an image that is no file there, below images/."""
    original_label: str = ""
    """As the data set writes it; empty where there is none."""
    split: str = "train"
    """train, unlabeled, validation or test; empty where it is not known."""
    subject: str = ""
    """Who it is, where that is known."""
    attributes: dict = {}
    """Further columns: name -> text."""
    encoded: Callable | None = None
    """For an image that is no file: gives the bytes of a JPEG or PNG, or raises
    `Rejected`."""
    called: str = ""
    """In rejected.csv, where that is not the path."""


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set: what to ask for, how to read it, what must come out.

    Attributes:
        name: for the reader.
        request: whom to ask, and for which files.
        notice: of its licence; printed, and stored beside the manifest.
        faces: function of the source's folder, to an iterable of `Face` and of
            (name, reason) pairs for what cannot be used.
        labels: label as the data set writes it -> name of the class, in the order of
            the data set; "" for an image without a label, None to leave it out. Or None
            for words, see `expression`.
        attributes: names of the further columns.
        totals: split -> number of images, or class -> number, where a source is cited.
        totals_source: that source.
        images: folder that the faces' paths start at; None is the source's.
        carried: files to be copied beside the manifest, where they are.
        file_endings: of a source that is one file and no archive.
        tested_on: what this importer was ever run on.
    """

    name: str
    request: str
    notice: str
    faces: Callable
    labels: dict | None = None
    attributes: tuple = ()
    totals: dict = dataclasses.field(default_factory=dict)
    totals_source: str = ""
    images: pathlib.Path | None = None
    carried: tuple = ()
    file_endings: tuple = ()
    tested_on: str = "made-up files of its layout, never on the real ones"

    def class_of(self, original_label):
        """The name of the class, "" for none.

        Raises:
            Rejected: a label that is unknown, or no class.
        """
        if self.labels is None:
            return expression(original_label)
        if original_label not in self.labels:
            raise Rejected(f"unknown label {original_label!r}")
        name = self.labels[original_label]
        if name is None:
            raise Rejected(f"label {original_label} is no class")
        return name
