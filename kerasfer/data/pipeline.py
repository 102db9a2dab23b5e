"""tf.data pipelines: endless training batches, one pass of evaluation batches."""

import os
import pickle  # nosec B403
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasfer.augment.own_view import check_view
from kerasfer.augment.views import PAD
from kerasfer.data.batches import KNOWN_VIEWS, LABELED_VIEWS, TrainingBatches
from kerasfer.data.manifest import Manifest
from kerasfer.data.python_calls import stopping_at_exit
from kerasfer.data.workers import Workers
from kerasfer.types import Dataset
from kerasfer.vision.images import resize

_MOST_THREADS = 4  # more only wait for Python's lock; some read while others compute


def training_dataset(
    labeled: Manifest,
    unlabeled: Manifest | None = None,
    views: Sequence[str] = (),
    batch_size: int = 64,
    unlabeled_ratio: int = 1,
    seed: int = 0,
    start_step: int = 0,
    image_shape: Sequence[int] | None = None,
    mixup_alpha: float = 0.75,
    pad: float = PAD,
    shard: Sequence[int] = (0, 1),
    workers: int = 0,
    weak: Any = None,
    strong: Any = None,
    sampler: str = "shuffled",
) -> Dataset:
    """Endless batches of labelled and unlabelled faces for `model.fit`.

    Element number i is a pure function of (seed, start_step + i): a data set that
    starts at step 100 gives what the first one gives after 100 elements. Images stay
    uint8; the classifier normalises them. Files are read when their batch is made.

    An element is `(batch, label)`. With B = `batch_size` and U = B * `unlabeled_ratio`,
    `batch` has "image", uint8 (B, height, width, channels), a weak view of labelled
    faces, and exactly the entries named by `views`:

    * "weak", "weak_2", "strong", "strong_2": uint8 (U, ...), views of the same U faces;
    * "image_strong": uint8 (B, ...), a strong view of the labelled faces;
    * "index": int32 (U,), rows of `unlabeled`;
    * "audit_label": int32 (U,), their labels where known, -1 else: for metrics only;
    * "mix_weight": float32 (M,), max(w, 1-w) for w ~ Beta(alpha, alpha), and "mix_key",
      float32 (M,), uniform: one for each labelled image, then for each of those views
      that are named before it;
    * "uniform_labeled" (B,), "uniform_unlabeled" (U,): float32, uniform in [0, 1).

    `label` is int32 (B,) for expressions, float32 (B, num_aus) for action units.

    Args:
        labeled: `Manifest`.
        unlabeled: `Manifest`; may be None if `views` has only "image_strong" and
            "uniform_labeled", or nothing.
        views: the entries wanted, usually `model.all_views`.
        batch_size: B; larger than the data set is allowed (images then repeat).
        unlabeled_ratio: mu, a positive int.
        seed: non-negative int.
        start_step: of the first element.
        image_shape: (height, width, channels) of the classifier's input; None takes the
            size of the first labelled image, in colour.
        mixup_alpha: alpha of MixUp's Beta distribution, > 0.
        pad: border of the weak view's random crop as a fraction of the side; 0 leaves
            only the mirror.
        shard: (k, n): the k-th, from 0, of n equal parts of each batch, for a device of
            its own; only its images are read. Shards side by side are the batch.
        workers: processes that make the batches, each with a copy of the manifests (see
            `kerasfer.data.workers`). 0 makes them in threads of this one, of which
            several are hardly faster than one.
        weak, strong: views of your own in the place of ours, functions (uint8 image,
            seed) -> uint8 image or an albumentations `Compose`, see
            `kerasfer.augment.OwnView`; "weak" is that of labelled faces too. They are
            tried on the first labelled face.
        sampler: order of labelled faces: "shuffled", each once a pass; or "balanced",
            as many of each class in each pass, for imbalanced classes.

    Returns:
        a `tf.data.Dataset` of infinite cardinality.

    Raises:
        ValueError: an empty manifest, an unknown view or sampler, an impossible number,
            a view of your own that breaks its contract. An image that cannot be read
            raises inside the pipeline when its batch is made.

    >>> data = training_dataset(split.labeled, split.unlabeled,
    ...                         views=model.all_views, batch_size=32)
    """
    _check(labeled, unlabeled, views, batch_size, unlabeled_ratio, mixup_alpha, pad)
    _check_shares(shard, batch_size, workers)
    _check_sampler(sampler, labeled)
    channels = image_shape[2] if image_shape else None
    for name, view in (("weak", weak), ("strong", strong)):
        if view is not None:
            check_view(view, labeled.image(0, channels), name)
            _check_pickled(view, name, workers)
    batches = TrainingBatches(
        labeled,
        unlabeled if _unlabeled_views(views) else None,
        views,
        batch_size,
        unlabeled_ratio,
        seed,
        image_shape or labeled.image(0).shape,
        mixup_alpha,
        pad,
        shard,
        weak,
        strong,
        sampler,
    )
    make: Any = Workers(batches, workers) if workers else batches

    def element(step):
        batch = _python_call(make, step, batches.specs())
        label = batch.pop("label")
        return batch, label

    dataset = _in_parallel(tf.data.Dataset.counter(start_step), element, workers)
    if workers:  # TensorFlow keeps the function for good, so that it is not collected
        weakref.finalize(dataset, make.close)
    dataset.num_targets = labeled.num_targets  # `fit` compares it with the outputs
    return dataset


def evaluation_dataset(
    manifest: Manifest, batch_size: int = 256, image_shape: Sequence[int] | None = None
) -> Dataset:
    """One pass over a manifest, in its order, without augmentation.

    Args:
        manifest: `Manifest`; not empty.
        batch_size: the last batch may be smaller.
        image_shape: as for `training_dataset`.

    Returns:
        a `tf.data.Dataset` of (image, label): uint8 (batch, height, width, channels)
        and int32 (batch,), or float32 (batch, num_aus) for action units.

    Raises:
        ValueError: the manifest is empty.

    >>> model.evaluate(evaluation_dataset(split.test))
    """
    if not len(manifest):
        raise ValueError("Expected at least one image to evaluate on. Received none.")
    height, width, channels = image_shape or manifest.image(0).shape
    targets = manifest.targets

    def batch_from(start):
        rows = range(start, min(start + batch_size, len(manifest)))
        images = [
            resize(manifest.image(row, channels), (height, width)) for row in rows
        ]
        return {"image": np.stack(images), "label": targets[rows.start : rows.stop]}

    specs = {
        "image": (np.uint8, (None, height, width, channels)),
        "label": (targets.dtype.type, (None, *targets.shape[1:])),
    }

    def element(start):
        batch = _python_call(batch_from, start, specs)
        return batch["image"], batch["label"]

    starts = tf.data.Dataset.range(0, len(manifest), batch_size)
    dataset = _in_parallel(starts, element)
    dataset.num_targets = manifest.num_targets
    return dataset


def _in_parallel(numbers, element, threads=0):
    """Elements in order, made ahead in a fixed number of threads; 0 is by the cores."""
    # Autotuning could start another call long after the consumer has stopped, when the
    # interpreter is shutting down (see python_calls).
    options = tf.data.Options()
    options.autotune.enabled = False
    threads = threads or min(os.cpu_count() or 1, _MOST_THREADS)
    element = tf.autograph.experimental.do_not_convert(element)
    elements = numbers.map(element, threads, deterministic=True).prefetch(2)
    return elements.with_options(options)


def _python_call(function, number, specs):
    """`function(number)`, a dict of arrays, as tensors of known dtypes and shapes."""

    def in_order(number):
        batch = function(int(number))
        return [batch[name] for name in specs]

    tensors = tf.numpy_function(
        stopping_at_exit(in_order, list(specs.values())),
        [number],
        [dtype for dtype, _ in specs.values()],
        stateful=False,
    )
    for tensor, (_, shape) in zip(tensors, specs.values(), strict=True):
        tensor.set_shape(shape)
    return dict(zip(specs, tensors, strict=True))


def _unlabeled_views(views):
    return [view for view in views if view not in LABELED_VIEWS]


def _check(labeled, unlabeled, views, batch_size, unlabeled_ratio, mixup_alpha, pad):
    if not len(labeled):
        raise ValueError("Expected at least one labelled image. Received none.")
    unknown = [view for view in views if view not in KNOWN_VIEWS]
    if unknown:
        raise ValueError(
            f"Unknown views {', '.join(unknown)}. Expected some of "
            f"{', '.join(KNOWN_VIEWS)}."
        )
    needing = _unlabeled_views(views)
    if needing and not (unlabeled is not None and len(unlabeled)):
        raise ValueError(
            f"Views {', '.join(needing)} need unlabelled faces, and there are none. "
            "Use a protocol that leaves some, or give another manifest of unlabelled "
            "faces."
        )
    if batch_size < 1 or unlabeled_ratio < 1 or unlabeled_ratio != int(unlabeled_ratio):
        raise ValueError(
            "`batch_size` and `unlabeled_ratio` must be positive whole numbers. "
            f"Received: batch_size={batch_size}, unlabeled_ratio={unlabeled_ratio}."
        )
    if mixup_alpha <= 0 or not 0 <= pad <= 0.5:
        raise ValueError(
            "Expected mixup_alpha > 0 and pad in [0, 0.5]. Received: "
            f"mixup_alpha={mixup_alpha}, pad={pad}."
        )


def _check_shares(shard, batch_size, workers):
    if workers < 0 or workers != int(workers):
        raise ValueError(f"`workers` must be 0 or more. Received: workers={workers}.")
    number, shares = shard
    if not 0 <= number < shares or batch_size % shares:
        raise ValueError(
            "`shard` must be (k, n) with 0 <= k < n and a `batch_size` that is a "
            f"multiple of n, the number of devices. Received: shard={tuple(shard)}, "
            f"batch_size={batch_size}."
        )


def _check_pickled(view, name, workers):
    """Raises a ValueError if processes that make batches could not be given a view."""
    if not workers:
        return
    try:
        pickle.dumps(view)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"The {name} view cannot be given to `workers`: {error}. Define it at the "
            "top of a module, or use workers=0."
        ) from None


def _check_sampler(sampler, labeled):
    if sampler not in ("shuffled", "balanced"):
        raise ValueError(
            f"`sampler` must be 'shuffled' or 'balanced'. Received: {sampler!r}."
        )
    if sampler == "balanced" and not labeled.class_names:
        raise ValueError(
            "sampler='balanced' needs faces with one class each. Received faces with "
            "action units only."
        )
