"""One training batch as a pure function of (seed, step), in NumPy."""

import functools
import threading

import numpy as np

from kerasfer.augment.own_view import view_functions
from kerasfer.augment.views import VIEWS
from kerasfer.data.row_order import balanced, shards_of, shuffled
from kerasfer.vision.images import cv2

# Each has its own random draws: one entry more leaves the others as they were.
_STREAMS = {
    name: number
    for number, name in enumerate(
        [
            "labeled_order",
            "unlabeled_order",
            "image",
            *VIEWS,
            "mix_weight",
            "mix_key",
            "uniform_labeled",
            "uniform_unlabeled",
            "image_strong",
        ]
    )
}
# Entries that need no unlabelled faces.
LABELED_VIEWS = ("image_strong", "uniform_labeled")
KNOWN_VIEWS = (
    *VIEWS,
    "image_strong",
    "index",
    "audit_label",
    "mix_weight",
    "mix_key",
    "uniform_labeled",
    "uniform_unlabeled",
)


class TrainingBatches:
    """Calls as `batches(step)`: a dict of arrays, with the labels under "label".

    Labelled and unlabelled images are cycled independently, each pass in a new order
    (see `kerasfer.data.row_order`). Arguments: see `kerasfer.data.training_dataset`.
    """

    def __init__(
        self, labeled, unlabeled, views, batch_size, unlabeled_ratio, seed,
        image_shape, mixup_alpha, pad, shard=(0, 1), weak=None, strong=None,
        sampler="shuffled",
    ):  # fmt: skip
        self._arguments = (
            labeled, unlabeled, views, batch_size, unlabeled_ratio, seed,
            image_shape, mixup_alpha, pad, shard, weak, strong, sampler,
        )  # fmt: skip
        self.labeled, self.unlabeled, self.views = labeled, unlabeled, tuple(views)
        self.batch_size = batch_size
        self.unlabeled_size = batch_size * unlabeled_ratio
        self.seed, self.image_shape, self.pad = seed, tuple(image_shape), pad
        self.mixup_alpha, self.shard, self.sampler = mixup_alpha, shard, sampler
        self._views = view_functions(weak, strong)
        # Of each set two passes: calls run side by side where one ends.
        self._orders = {
            stream: functools.lru_cache(maxsize=2)(
                functools.partial(self._shuffled, stream, len(rows), shards_of(rows))
            )
            for stream, rows in (
                ("labeled_order", labeled),
                ("unlabeled_order", unlabeled),
            )
            if rows is not None
        }
        self._lock = threading.Lock()
        # The thread pool is TensorFlow's; OpenCV's own threads would only get in its
        # way.
        cv2.setNumThreads(1)

    def __reduce__(self):
        return TrainingBatches, self._arguments  # a lock and caches cannot be pickled

    def specs(self):
        """Name -> (dtype, shape) of every entry, the labels under "label"."""
        images, shares = self.image_shape, self.shard[1]
        labeled, unlabeled = self.batch_size // shares, self.unlabeled_size // shares
        shapes = dict.fromkeys(VIEWS, (np.uint8, (unlabeled, *images)))
        shapes |= {
            "image_strong": (np.uint8, (labeled, *images)),
            "index": (np.int32, (unlabeled,)),
            "audit_label": (np.int32, (unlabeled,)),
            "mix_weight": (np.float32, (self._mixed("mix_weight") // shares,)),
            "mix_key": (np.float32, (self._mixed("mix_key") // shares,)),
            "uniform_labeled": (np.float32, (labeled,)),
            "uniform_unlabeled": (np.float32, (unlabeled,)),
        }
        targets = self.labeled.targets
        return {
            "image": (np.uint8, (labeled, *images)),
            **{view: shapes[view] for view in self.views},
            "label": (targets.dtype.type, (labeled, *targets.shape[1:])),
        }

    def _mixed(self, entry):
        """How many images MixUp draws for: the labelled ones, and those of the
        views named before."""
        before = self.views[: self.views.index(entry)] if entry in self.views else ()
        count = sum(view in VIEWS for view in before)
        return self.batch_size + self.unlabeled_size * count

    def __call__(self, step, memory=None):
        """The batch of a step; images are written into `memory`, name -> array, if that
        is given."""
        step, memory = int(step), memory or {}
        rows = self._rows("labeled_order", len(self.labeled), self.batch_size, step)
        of_labeled = [
            v for v in ("image", "image_strong") if v in ("image", *self.views)
        ]
        views = {view: self._views[view] for view in of_labeled}
        batch = {
            **self._images(self.labeled, rows, views, step, memory),
            "label": self.labeled.targets[rows],
        }
        if self.unlabeled is None:
            rows = None
        else:
            size = self.unlabeled_size
            rows = self._rows("unlabeled_order", len(self.unlabeled), size, step)
            views = {view: self._views[view] for view in self.views if view in VIEWS}
            batch |= self._images(self.unlabeled, rows, views, step, memory)
        for entry in self.views:
            if entry not in batch:
                batch[entry] = self._entry(entry, rows, step)
        return batch

    def _entry(self, entry, rows, step):
        if entry == "index":
            return rows.astype(np.int32)
        if entry == "audit_label":
            return self.unlabeled.labels[rows]
        rng = self._rng(entry, step)
        size = self.specs()[entry][1][0] * self.shard[1]
        if entry == "mix_weight":
            weights = rng.beta(self.mixup_alpha, self.mixup_alpha, size)
            return self._share(np.maximum(weights, 1 - weights).astype(np.float32))
        return self._share(rng.random(size, np.float32))

    def _share(self, of_batch):
        """The shard's rows of what there is of the whole batch."""
        number, shares = self.shard
        size = len(of_batch) // shares
        return of_batch[number * size : (number + 1) * size]

    def _images(self, manifest, rows, views, step, memory):
        """View -> uint8 (rows, height, width, channels); an image is read once for all.

        Args:
            views: name -> (how to apply it, how many draws it takes).
        """
        height, width, channels = self.image_shape
        draws, images = {}, {view: memory.get(view) for view in views}
        for view, (_, num_draws) in views.items():
            of_batch = (len(rows) * self.shard[1], num_draws)
            draws[view] = self._share(self._rng(view, step).random(of_batch))
            if images[view] is None:
                images[view] = np.empty((len(rows), *self.image_shape), np.uint8)
        for k, row in enumerate(rows if views else ()):
            image = manifest.image(row, channels)
            for view, (apply, _) in views.items():
                images[view][k] = apply(
                    image, draws[view][k], (height, width), self.pad
                )
        return images

    def _rows(self, stream, num_rows, size, step):
        """Positions step*size, ... of the endless concatenation of shuffled passes."""
        positions = np.arange(step * size, (step + 1) * size)
        passes, within = positions // num_rows, positions % num_rows
        rows = np.empty(size, np.int64)
        for number in np.unique(passes):
            chosen = passes == number
            with self._lock:  # else calls at a new pass would each shuffle it
                order = self._orders[stream](int(number))
            rows[chosen] = order[within[chosen]]
        return self._share(rows)

    def _shuffled(self, stream, num_rows, shards, number):
        # A fourth word keeps the order of a pass apart from the draws of a step.
        words = [self.seed, _STREAMS[stream], number, 1]
        rng = np.random.default_rng(words)
        if stream == "labeled_order" and self.sampler == "balanced":
            return balanced(rng, self.labeled.labels)
        return shuffled(rng, num_rows, shards)

    def _rng(self, stream, step):
        return np.random.default_rng([self.seed, _STREAMS[stream], step])
