"""Expressions, with faces and images that earlier stages of the chain found."""

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np

import kerasfer
from kerasfer.experiments import data
from kerasfer.experiments.floors import LARGEST, with_largest_class
from kerasfer.experiments.omni.config import Omni
from kerasfer.experiments.omni.faces import base_split, in_classes_of, rendered_tests
from kerasfer.experiments.omni.start import begin
from kerasfer.experiments.table import by_method, heading, mean_and_deviation
from kerasfer.experiments.tasks import Expressions


@dataclasses.dataclass(frozen=True)
class OmniSupervised(Expressions):
    """Expressions of one training of the chain."""

    omni: Omni = Omni()
    labeled: Any = None
    """Manifest of faces to add to the labelled ones (VAS)."""
    distilled: pathlib.Path | None = None
    """Images to mix among them (DAS)."""
    primitive: pathlib.Path | None = None
    """Folder of the primitive learner, to start from if asked to."""
    known: dict = dataclasses.field(default_factory=dict)
    """What the selection tells, for the result."""

    @functools.cached_property
    def images(self):
        """Distilled images, labels and class names; None without."""
        path = self.distilled
        return path and kerasfer.omni.distillation.load_images(path)

    def build_split(self, faces, seed):
        split = base_split(faces, seed)
        if self.labeled is None:
            return split
        found = in_classes_of(split, self.labeled)
        both = kerasfer.data.concatenate(split.labeled, found)
        rest = ~np.isin(split.unlabeled.names, self.labeled.names)
        unlabeled = split.unlabeled.subset(rest)
        return dataclasses.replace(split, labeled=both, unlabeled=unlabeled)

    def training_data(
        self, faces, split, model, seed, start_step=0, strategy=None, **options
    ):
        names = split.labeled.class_names
        if self.primitive is not None and start_step == 0:
            begin(self.omni, model, self.primitive, self.distilled, names)

        def mixed(dataset, shard):
            images, labels, of_images = self.images
            return kerasfer.data.with_distilled(
                dataset,
                images,
                kerasfer.omni.distillation.labels_among(labels, of_images, names),
                len(split.labeled),
                seed,
                start_step,
                shard,
                self.omni.distilled_share,
            )

        return data.build_training_data(
            faces, split, model, seed, start_step, strategy,
            then=mixed if self.images else None, **options,
        )  # fmt: skip

    def scores(self, faces, model, split):
        return super().scores(faces, model, split, rendered_tests(faces))

    def evaluate(self, folder, faces, model, split):
        tests = rendered_tests(faces)
        result = super().evaluate(folder, faces, model, split, tests)
        count = len(split.labeled) + (len(self.images[1]) if self.images else 0)
        return {**result, **self.known, "images": count}

    def summarize(self, results):
        """The paper's Tables 1 and 8: accuracy, images, seconds an epoch, purity."""
        import pandas as pd

        rows = []
        for method, runs in by_method(with_largest_class(results)):
            row = heading(method, runs)
            for name in runs:
                if name.endswith("accuracy") and not name.startswith("val_"):
                    title = name.replace("_", " ") + " %"
                    row[title] = mean_and_deviation(runs[name])
            if method != LARGEST:
                row["images"] = round(runs["images"].mean())
                row["seconds an epoch"] = f"{runs['seconds_per_epoch'].mean():.1f}"
            if "purity" in runs and runs["purity"].notna().all():
                row["selected rightly %"] = mean_and_deviation(runs["purity"])
            rows.append(row)
        return pd.DataFrame(rows).fillna("")
