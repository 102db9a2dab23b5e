"""Distilled images among labelled faces."""

from collections.abc import Sequence

import tensorflow as tf

from kerasfer.types import Array, Dataset, Tensor


def with_distilled(
    dataset: Dataset,
    images: Array,
    labels: Tensor,
    num_labeled: int,
    seed: int = 0,
    start_step: int = 0,
    shard: Sequence[int] = (0, 1),
    share: float | None = None,
) -> Dataset:
    """Training batches with distilled images in place of some of the labelled faces.

    As if the n distilled images were n more of the N labelled faces: each place in a
    labelled batch is given to one of them, drawn anew, with probability n / (N + n). A
    batch stays as large as it was, and an epoch costs what it did. Element i is a pure
    function of (seed, start_step + i), as of `training_dataset`.

    Source: Liu et al., "Omni-supervised Facial Expression Recognition via Distilled
    Data", section 3.4, which trains on the union; the ratio of mixing is not stated.

    Args:
        dataset: of `training_dataset(..., start_step=start_step)`; expressions only.
        images: float (n, height, width, channels), pixels, not bounded to 0..255; see
            `kerasfer.omni.distillation.load_images`.
        labels: int (n,), their classes.
        num_labeled: N.
        seed: non-negative int.
        start_step: of the first element.
        shard: of `dataset`, where several devices share its batches.
        share: in (0, 1), of a labelled batch, in place of n / (N + n): seven images
            among 1,400 faces are half a percent of it, and teach little.

    Returns:
        a `tf.data.Dataset`; "image" is float32 now.

    Raises:
        ValueError: images of another shape than those of the data set, or a share out
            of range.

    >>> images, classes = faces.images[:8], np.arange(8)  # one a class
    >>> data = with_distilled(data, images, classes, len(split.labeled))
    """
    images = tf.constant(images, tf.float32)
    labels = tf.constant(labels, tf.int32)
    shape = dataset.element_spec[0]["image"].shape
    if images.shape[1:] != shape[1:]:
        raise ValueError(
            f"Expected distilled images of shape {tuple(shape[1:])}, as the faces. "
            f"Received: images.shape={tuple(images.shape)}."
        )
    count = images.shape[0]
    share = count / (num_labeled + count) if share is None else share
    if not 0 < share < 1:
        raise ValueError(f"`share` must be in (0, 1). Received: {share}.")
    # The draws are the whole batch's, whoever reads it.
    number, shares = shard
    size, mine = [shape[0] * shares], slice(number * shape[0], (number + 1) * shape[0])

    def mixed(step, element):
        batch, faces = element
        seeds = tf.stack([tf.cast(seed, tf.int64), step])
        chosen = tf.random.stateless_uniform(size, seeds)[mine] < share
        which = tf.random.stateless_uniform(
            size, seeds + [1_000_003, 0], maxval=count, dtype=tf.int32
        )[mine]
        # Most batches have none or one: only those are touched.
        image = tf.tensor_scatter_nd_update(
            tf.cast(batch["image"], tf.float32),
            tf.where(chosen),
            tf.gather(images, which[chosen]),
        )
        faces = tf.where(chosen, tf.gather(labels, which), faces)
        return {**batch, "image": image}, faces

    steps = tf.data.Dataset.counter(tf.constant(start_step, tf.int64))
    return tf.data.Dataset.zip((steps, dataset)).map(mixed).prefetch(2)
