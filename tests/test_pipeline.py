import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from support.toys import random_faces

from kerasfer.augment.views import STRONG_DRAWS, apply_strong
from kerasfer.data import evaluation_dataset, from_arrays, training_dataset
from kerasfer.data.batches import KNOWN_VIEWS, TrainingBatches
from kerasfer.vision.images import cv2

LABELED, UNLABELED = random_faces(10, seed=0), random_faces(14, seed=1)


def take(dataset, count):
    return [
        {**{k: v.numpy() for k, v in batch.items()}, "label": label.numpy()}
        for batch, label in dataset.take(count)
    ]


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def dataset(views=KNOWN_VIEWS, **options):
    options = {"batch_size": 4, "unlabeled_ratio": 2, "seed": 3, **options}
    return training_dataset(LABELED, UNLABELED, views, **options)


def test_element_has_exactly_what_was_asked_for():
    (batch,) = take(dataset(), 1)
    assert set(batch) == {"image", "label", *KNOWN_VIEWS}
    shapes = {name: (values.dtype.name, values.shape) for name, values in batch.items()}
    assert shapes["image"] == ("uint8", (4, 8, 8, 3))
    for view in ("weak", "weak_2", "strong", "strong_2"):
        assert shapes[view] == ("uint8", (8, 8, 8, 3))
    assert shapes["index"] == shapes["audit_label"] == ("int32", (8,))
    # One for each of 4 labelled images and four views of 8 unlabelled ones.
    assert shapes["mix_weight"] == shapes["mix_key"] == ("float32", (36,))
    assert shapes["uniform_labeled"] == ("float32", (4,))
    assert shapes["uniform_unlabeled"] == ("float32", (8,))
    assert shapes["label"] == ("int32", (4,))
    assert set(take(dataset(views=()), 1)[0]) == {"image", "label"}


def test_shapes_are_static():
    batch, label = dataset().element_spec
    assert all(spec.shape.is_fully_defined() for spec in [*batch.values(), label])


def test_an_element_is_a_function_of_seed_and_step():
    first = take(dataset(), 8)
    for ours, again in zip(first, take(dataset(), 8), strict=True):
        assert_same(ours, again)
    for ours, later in zip(first[5:], take(dataset(start_step=5), 3), strict=True):
        assert_same(ours, later)
    other = take(dataset(seed=4), 1)[0]
    assert any((first[0][name] != other[name]).any() for name in ("index", "weak"))


def test_the_graph_gives_what_numpy_gives():
    batches = TrainingBatches(
        LABELED, UNLABELED, KNOWN_VIEWS, 4, 2, 3, (8, 8, 3), 0.75, 8 / 224
    )
    for step, ours in enumerate(take(dataset(), 3)):
        assert_same(ours, batches(step))


@pytest.mark.parametrize("shares", [2, 4])
def test_shards_side_by_side_are_the_batch(shares):
    shards = [take(dataset(shard=(k, shares)), 2) for k in range(shares)]
    for step, batch in enumerate(take(dataset(), 2)):
        parts = [shard[step] for shard in shards]
        joined = {name: np.concatenate([p[name] for p in parts]) for name in batch}
        assert_same(batch, joined)


@pytest.mark.parametrize("shard", [(0, 3), (2, 2), (-1, 2)])
def test_impossible_shards(shard):
    with pytest.raises(ValueError, match="multiple of n, the number of devices"):
        dataset(shard=shard)


def test_one_more_view_leaves_the_others_as_they_were():
    few = take(dataset(views=("weak",)), 3)
    many = take(dataset(views=("weak", "strong", "index", "mix_key")), 3)
    for ours, theirs in zip(few, many, strict=True):
        for name in ("image", "label", "weak"):
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_pass_sees_each_image_once_also_across_batches():
    batches = take(dataset(views=("index",)), 14)  # 14 * 8 = 8 passes of 14
    index = np.concatenate([batch["index"] for batch in batches])
    for start in range(0, len(index), 14):
        np.testing.assert_array_equal(np.sort(index[start : start + 14]), range(14))
    assert (index[:14] != index[14:28]).any()  # in a new order each time
    labels = np.concatenate([batch["label"] for batch in batches])[
        :50
    ]  # 5 passes of 10
    np.testing.assert_array_equal(np.bincount(labels), 5 * LABELED.class_counts())


def test_views_belong_to_their_index_and_label():
    (batch,) = take(dataset(pad=0.0), 1)
    np.testing.assert_array_equal(
        batch["audit_label"], UNLABELED.labels[batch["index"]]
    )
    for view in ("weak", "weak_2"):
        for image, row in zip(batch[view], batch["index"], strict=True):
            source = UNLABELED.images[row]
            assert (image == source).all() or (image == source[:, ::-1]).all()


def test_strong_views_are_what_their_dice_say():
    (batch,) = take(dataset(views=("strong", "index")), 1)
    batches = TrainingBatches(
        LABELED, UNLABELED, ("strong",), 4, 2, 3, (8, 8, 3), 0.75, 8 / 224
    )
    rng = batches._rng("strong", 0).random((8, STRONG_DRAWS))
    for image, row, row_dice in zip(batch["strong"], batch["index"], rng, strict=True):
        expected = apply_strong(UNLABELED.images[row], row_dice, (8, 8), 8 / 224)
        np.testing.assert_array_equal(image, expected)


def test_mix_weights_prefer_the_image_itself():
    weights = np.concatenate([b["mix_weight"] for b in take(dataset(), 50)])
    assert (weights >= 0.5).all() and (weights <= 1).all()
    # E max(w, 1-w) for Beta(3/4, 3/4), by numeric integration of the density.
    grid = (np.arange(100000) + 0.5) / 100000
    density = (grid * (1 - grid)) ** (0.75 - 1)
    expected = (np.maximum(grid, 1 - grid) * density).sum() / density.sum()
    # 1800 draws with a deviation below 0.16: three standard errors.
    np.testing.assert_allclose(weights.mean(), expected, atol=3 * 0.16 / 1800**0.5)


def test_images_are_resized_to_the_classifier_s_input():
    (batch,) = take(dataset(image_shape=(12, 16, 1)), 1)
    assert batch["image"].shape == (4, 12, 16, 1)
    assert batch["strong"].shape == (8, 12, 16, 1)


def test_evaluation_goes_once_through_all_images_in_order():
    batches = list(evaluation_dataset(LABELED, batch_size=4))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    images = np.concatenate([images for images, _ in batches])
    np.testing.assert_array_equal(images, LABELED.images)
    labels = np.concatenate([labels for _, labels in batches])
    np.testing.assert_array_equal(labels, LABELED.labels)
    assert int(evaluation_dataset(LABELED, 4).cardinality()) == 3


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"views": ("wek",)}, "Unknown views wek. Expected some of weak"),
        ({"batch_size": 0}, "must be positive whole numbers"),
        ({"unlabeled_ratio": 0.5}, "must be positive whole numbers"),
        ({"mixup_alpha": 0}, "mixup_alpha > 0"),
        ({"pad": 0.6}, "pad in .0, 0.5."),
    ],
)
def test_impossible_options(options, error):
    with pytest.raises(ValueError, match=error):
        dataset(**options)


def test_empty_sets_are_refused():
    empty = LABELED.subset(np.array([], int))
    with pytest.raises(ValueError, match="at least one labelled image"):
        training_dataset(empty)
    with pytest.raises(ValueError, match="need unlabelled faces, and there are none"):
        training_dataset(LABELED, empty, views=("weak",))
    with pytest.raises(ValueError, match="at least one image to evaluate"):
        evaluation_dataset(empty)


def test_a_path_that_is_not_an_image_stops_with_its_name(tmp_path):
    from kerasfer.data import read_manifest

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "b.png").write_text("no image")
    (tmp_path / "m.csv").write_text("path,label\na.png,0\nb.png,1\n")
    data = training_dataset(read_manifest(tmp_path / "m.csv"), batch_size=2)
    with pytest.raises(tf.errors.OpError, match="b.png is not one, or is damaged"):
        next(iter(data))


# SIGINT is let in while the program is in Python, not inside of next(): an exception
# that a signal raises in the middle of TensorFlow's eager dispatch is now and then lost
# there, or leaves the heap corrupted.
PROGRAM = """
    import signal, sys, time
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # threads inherit it
    # Whoever starts the tests in the background of a shell has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import numpy as np
    from kerasfer.data import from_arrays, training_dataset
    images = np.zeros((40, 48, 48, 3), np.uint8)
    faces = from_arrays(images, np.arange(40) % 2)
    data = iter(training_dataset(faces, faces, ("weak", "strong"), 16))
    next(data)
    try:
        print("ready", flush=True)
        while sys.argv[1] == "wait":
            next(data)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            time.sleep(0.01)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["finish", "interrupt"])
def test_a_program_ends_cleanly_while_the_pipeline_prefetches(tmp_path, way):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM))
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, script, "wait" if way == "interrupt" else "go"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            text=True,
        )
        try:
            assert process.stdout.readline() == "ready\n"
            if way == "interrupt":
                process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()
        assert process.returncode == (130 if way == "interrupt" else 0), errors


def test_grey_images_in_memory():
    faces = from_arrays(np.full((3, 8, 8, 1), 9, np.uint8), [0, 1, 2])
    batch, _ = next(iter(training_dataset(faces, batch_size=3, pad=0)))
    assert batch["image"].shape == (3, 8, 8, 1) and (batch["image"].numpy() == 9).all()


def test_labels_are_those_of_the_images():
    """Each image is as bright as its label says."""
    labels = np.random.default_rng(0).integers(0, 5, 30)
    images = np.broadcast_to(labels[:, None, None, None] * 50, (30, 8, 8, 3))
    faces = from_arrays(images.astype("uint8"), labels)
    views = ("weak", "audit_label")
    data = training_dataset(faces, faces, views, 7, pad=0.0)
    for batch, given in data.take(5):
        np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], given * 50)
        seen = batch["weak"][:, 0, 0, 0]
        np.testing.assert_array_equal(seen, batch["audit_label"] * 50)
