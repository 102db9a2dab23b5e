"""Which faces: flags, and the parts and data sets they ask for."""

import dataclasses
import pathlib
from typing import Literal

import numpy as np

import kerasfer
from kerasfer.experiments.flags import require_at_least, require_within
from kerasfer.experiments.own_parts import ByReference, is_own
from kerasfer.experiments.runs import claimed
from kerasfer.safe_write import remove_leftovers

_OLD = 24 * 3600  # seconds: nobody decodes for so long


@dataclasses.dataclass(frozen=True)
class Faces:
    manifest: pathlib.Path | None = None
    """CSV of faces: path, label, optionally subject, split. None renders faces."""
    rendered_faces: int = 10000
    """How many to render without a manifest; a fifth is the test set."""
    protocol: str = "balanced:labels=560"
    """Who is labelled: balanced:labels=N, random:labels=N, ada_cm:N,
    ada_cm_sfew:N, ada_cm_affectnet:N, imbalanced:n1=N,gamma=G, fraction:F or all."""
    unlabeled: pathlib.Path | None = None
    """CSV of further unlabelled faces."""
    unlabeled_from: Literal["rest", "other", "both"] | None = None
    """Unlabelled faces: the rest of the manifest, the other CSV, or both."""
    unlabeled_parts: tuple[Literal["train", "unlabeled", "validation", "test"], ...] = (
        "train",
        "unlabeled",
    )
    """Of the other CSV, where it has a column split."""
    split: pathlib.Path | None = None
    """A split.csv of an earlier run, instead of the protocol."""
    test: tuple[str, ...] = ()
    """Other data sets to test on, NAME=MANIFEST.csv; classes are mapped by name."""
    image_size: int = 48
    """Side of the classifier's input in pixels."""
    pad: float = 0.1
    """Border of the weak view's random crop, as a fraction of the side."""
    weak: str | None = None
    """Weak view of your own, path/to/file.py:NAME: a function (uint8 image, seed) ->
    uint8 image, or an albumentations Compose; None is ours."""
    strong: str | None = None
    """Strong view of your own, likewise."""
    sampler: Literal["shuffled", "balanced"] = "shuffled"
    """Labelled faces: each once a pass, or as many of each class in each pass."""
    batch_size: int = 64
    """B, labelled faces a step."""
    unlabeled_ratio: int = 1
    """mu, unlabelled faces a step over labelled ones."""
    data_workers: int = 0
    """Processes that make the batches; 0: threads of this one, as fast as one core."""
    cache: Literal["memory", "disk"] | None = None
    """Decode each face once, in memory or in a mapped file; None: for each batch."""
    cache_folder: pathlib.Path = pathlib.Path("runs/decoded")
    """Folder of that file; of about 3 bytes a pixel of all faces."""

    def __post_init__(self):
        require_at_least(self, 1, "batch_size", "unlabeled_ratio")
        require_at_least(self, 16, "image_size")
        require_at_least(self, 0, "data_workers")
        require_at_least(self, 100, "rendered_faces")
        require_within(self, 0, 0.5, "pad")
        for name in ("weak", "strong"):
            view = getattr(self, name)
            if view is not None and not is_own(view):
                raise ValueError(
                    f"--{name}: expected path/to/file.py:NAME or module:NAME. "
                    f"Received: {view}."
                )
        if self.manifest is None and (self.unlabeled or self.split):
            raise ValueError("--unlabeled and --split need a --manifest.")

    @property
    def image_shape(self):
        return (self.image_size, self.image_size, 3)

    @property
    def name(self):
        """For a folder: which faces, under which rule."""
        rule = self.split.resolve().parent.parent.name if self.split else self.protocol
        faces = self.manifest.resolve().parent.name if self.manifest else "rendered"
        return f"{faces}_{rule}"


def split(faces, manifest, seed):
    """The parts of a manifest, by the protocol or as in a split.csv."""
    other = faces.unlabeled and kerasfer.data.read_manifest(faces.unlabeled)
    if faces.cache == "memory":
        manifest = kerasfer.data.decode_once(manifest)
        other = other and kerasfer.data.decode_once(other)
    elif faces.cache == "disk":
        folder = faces.cache_folder.resolve()
        with claimed(folder / "faces"):  # of runs that begin together one decodes
            remove_leftovers(folder, _OLD)
            manifest = kerasfer.data.decode_once(manifest, folder)
            other = other and kerasfer.data.decode_once(other, folder)
    if faces.split:
        return kerasfer.data.load_split(faces.split, manifest, other)
    return kerasfer.data.protocols.split(
        manifest,
        faces.protocol,
        seed,
        other,
        faces.unlabeled_from,
        faces.unlabeled_parts,
    )


def check_parts(split, read_test):
    """Refuses, before any training, a split that the run could not end with.

    Raises:
        ValueError: it names the part that has no face.
    """
    parts = {"validation": split.validation}
    if read_test:
        parts["test"] = split.test
    for name, part in parts.items():
        if not len(part):
            raise ValueError(
                f"The {name} set has no face. Expected rows with split {name} in the "
                "manifest, or an empty column split, which leaves it to the protocol, "
                "and enough labelled faces."
            )


def build_training_data(
    faces, split, model, seed, start_step=0, strategy=None, then=None, **options
):
    """Batches for a model, of all devices of a strategy.

    Args:
        then: (dataset, shard) -> dataset, for what a recipe adds.
        **options: of `kerasfer.data.training_dataset`.
    """
    import tensorflow as tf

    # Labels of unlabelled faces, where they are known: only metrics read them.
    audit = ("audit_label",) if {"weak", "strong"} & {*model.all_views} else ()
    return kerasfer.data.distributed_training_dataset(
        strategy or tf.distribute.get_strategy(),
        split.labeled,
        split.unlabeled,
        views=model.all_views + audit,
        batch_size=faces.batch_size,
        unlabeled_ratio=faces.unlabeled_ratio,
        seed=seed,
        start_step=start_step,
        image_shape=faces.image_shape,
        pad=faces.pad,
        workers=faces.data_workers,
        sampler=faces.sampler,
        then=then,
        **own_views(faces),
        **options,
    )


def own_views(faces):
    """Name of a view, "weak" or "strong" -> one of the user's own, where there is one.

    Raises:
        ValueError: there is none of that name.
    """
    return {
        name: ByReference(text, f"--{name}")
        for name in ("weak", "strong")
        if (text := getattr(faces, name))
    }


def build_evaluation_data(faces, part):
    return kerasfer.data.evaluation_dataset(part, image_shape=faces.image_shape)


def evenly_spaced(manifest, count):
    """At most `count` rows of a manifest; None is all."""
    count = min(len(manifest), count or len(manifest))
    return manifest.subset(np.linspace(0, len(manifest) - 1, count).astype(int))


def predictions(infer, dataset):
    """Name -> (images, classes), for each of a classifier's outputs that is one.

    Args:
        infer: images -> outputs, as a model's `infer`.
        dataset: of (images, labels).
    """
    batches = [infer(images) for images, _ in dataset]
    return {
        name: np.concatenate([batch[name] for batch in batches])
        for name in batches[0]
        if name.endswith("probs")
    }
