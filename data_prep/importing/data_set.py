"""What is known of a data set before a file of it is seen."""

import dataclasses
import typing
from collections.abc import Callable


class Rejected(Exception):
    """Why one image cannot be used."""


class Face(typing.NamedTuple):
    """One image of a data set."""

    path: str
    """Below the source's folder."""
    original_label: str
    """As the data set writes it."""
    split: str
    """train, validation or test."""
    subject: str = ""
    """Who it is, where that is known."""
    attributes: dict = {}  # noqa: RUF012 (never changed)
    """Further columns: name -> text."""


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set: what to ask for, how to read it, what must come out.

    Attributes:
        name: for the reader.
        request: whom to ask, and for which files.
        notice: of its licence; printed, and stored beside the manifest.
        labels: label as the data set writes it -> name of the class, in the order of
            the data set; an empty name leaves the image out.
        faces: function of the source's folder, to an iterable of `Face` and of
            (name, reason) pairs for what cannot be used.
        attributes: names of the further columns.
        totals: split -> class -> number of images, where a source is cited.
        totals_source: that source.
        was_run: whether this importer was ever run on the real files.
    """

    name: str
    request: str
    notice: str
    labels: dict
    faces: Callable
    attributes: tuple = ()
    totals: dict = dataclasses.field(default_factory=dict)
    totals_source: str = ""
    was_run: bool = False
