"""Views of a user's own, the balanced sampler, and data sets of other libraries."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.toys import random_faces

from kerasfer.augment import check_view
from kerasfer.data import from_dataset, from_hugging_face, training_dataset
from kerasfer.data.row_order import balanced
from kerasfer.vision.images import cv2

FACES = random_faces(12, side=16)
VIEWS = ("weak", "weak_2", "strong")


def grainy(image, seed):
    noise = np.random.default_rng(seed).normal(0, 12, image.shape)
    return np.clip(image + noise, 0, 255).astype("uint8")


def black(image, seed):
    return np.zeros_like(image)


def batches(**options):
    data = training_dataset(FACES, FACES, VIEWS, 4, **options)
    return [(batch, labels) for batch, labels in data.take(3)]


def test_ones_own_views_are_in_the_place_of_ours():
    (batch, _), *_ = batches(strong=black)
    assert batch["strong"].numpy().max() == 0 < batch["weak"].numpy().max()
    (batch, _), *_ = batches(weak=black)
    for view in ("image", "weak", "weak_2"):
        assert batch[view].numpy().max() == 0
    assert batch["strong"].numpy().max() > 0


def test_two_views_of_a_face_differ_and_a_run_can_be_entered_anywhere():
    first = batches(weak=grainy)
    assert (first[0][0]["weak"].numpy() != first[0][0]["weak_2"].numpy()).any()
    (late, _), *_ = batches(weak=grainy, start_step=2)
    for view in ("image", *VIEWS):
        np.testing.assert_array_equal(first[2][0][view], late[view])


def test_ones_own_view_is_of_the_faces_of_the_step():
    def same(image, seed):
        return image

    (batch, _), *_ = batches(weak=same)
    known = {image.tobytes() for image in FACES.images}
    assert all(image.tobytes() in known for image in batch["weak"].numpy())


def test_a_view_of_another_size_is_resized():
    def half(image, seed):
        return image[:8]

    (batch, _), *_ = batches(strong=half)
    assert batch["strong"].shape == (4, 16, 16, 3)


class Draws:
    """From a state of its own: no two calls are alike."""

    rng = np.random.default_rng(0)

    def __call__(self, image, seed):
        return self.rng.integers(0, 256, image.shape).astype("uint8")


def changes(image, seed):
    image[:] = 0
    return image


@pytest.mark.parametrize(
    ("view", "error"),
    [
        (Draws(), "two different images for the same image and seed"),
        (changes, "changes the image that it is given"),
        (lambda image, seed: image / 255, "must be a uint8 image .* dtype=float64"),
        (lambda image, seed: image[..., 0], r"Received: dtype=uint8, shape=\(16, 16\)"),
        (
            lambda image, seed: image if seed < 2**30 else image / 255,
            "with the seed 2147483647: A view must be a uint8 image",
        ),
        (lambda image, seed: image[..., :1], r"Received: dtype=uint8, shape=\(16, 16"),
    ],
    ids=["draws", "changes", "scales", "grey", "at times", "drops"],
)
def test_what_breaks_the_contract_is_refused_before_training(view, error):
    image = np.full((16, 16, 3), 7, np.uint8)
    with pytest.raises(ValueError, match=error):
        check_view(view, image, "strong")
    with pytest.raises(ValueError, match="The strong view"):
        training_dataset(FACES, FACES, VIEWS, 4, strong=view)


def test_a_view_may_be_of_any_library():
    def old(image, seed):
        return np.random.RandomState(seed).randint(0, 256, image.shape).astype("uint8")

    def of_tensorflow(image, seed):
        return tf.image.flip_left_right(image)

    for view in (old, of_tensorflow):
        check_view(view, FACES.images[0], "strong")
        assert len(batches(strong=view)) == 3


def test_workers_need_a_view_that_can_be_sent():
    with pytest.raises(ValueError, match="cannot be given to `workers`"):
        training_dataset(FACES, FACES, VIEWS, 4, strong=lambda i, s: i, workers=1)


def test_a_compose_of_albumentations():
    albumentations = pytest.importorskip("albumentations")
    compose = albumentations.Compose(
        [albumentations.HorizontalFlip(p=0.5), albumentations.GaussNoise(p=1)]
    )
    first, second = batches(strong=compose), batches(strong=compose)
    for (one, _), (other, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["strong"], other["strong"])
    assert (first[0][0]["strong"].numpy() != first[1][0]["strong"].numpy()).any()


# --- sampler --------------------------------------------------------------------------


def test_a_balanced_pass_has_as_many_of_each_class():
    labels = np.repeat([0, 1, 2], [20, 5, 2])
    rows = balanced(np.random.default_rng(0), labels)
    assert len(rows) == 27 and np.bincount(labels[rows]).tolist() == [9, 9, 9]
    frequent, rare = rows[labels[rows] == 0], rows[labels[rows] == 2]
    assert len(set(frequent)) == 9  # none comes twice
    counts = np.bincount(rare)[25:]
    assert sorted(counts) == [4, 5]  # each before any comes again


def test_what_does_not_divide_is_drawn():
    labels = np.repeat([0, 1, 2], [5, 2, 1])
    more = set()
    for seed in range(20):
        rows = balanced(np.random.default_rng(seed), labels)
        counts = np.bincount(labels[rows], minlength=3)
        assert sorted(counts) == [2, 3, 3]
        more.add(int(counts.argmin()))
    assert more == {0, 1, 2}


def test_the_sampler_is_that_of_labelled_faces():
    faces = FACES.subset(np.flatnonzero(FACES.labels == 0)[:3].tolist() + [1, 2])
    data = training_dataset(faces, None, (), 5, sampler="balanced")
    drawn = np.concatenate([labels for _, labels in data.take(6)])
    counts = np.bincount(drawn)
    assert counts.max() - counts[counts > 0].min() <= 6
    with pytest.raises(ValueError, match="`sampler` must be"):
        training_dataset(faces, sampler="even")


# --- data sets of other libraries -----------------------------------------------------


def test_pairs_single_and_in_batches_give_the_same_faces():
    pairs = tf.data.Dataset.from_tensor_slices((FACES.images, FACES.labels))
    one_hot = tf.one_hot(FACES.labels, 3)
    rows = tf.data.Dataset.from_tensor_slices((FACES.images, one_hot))
    for dataset in (pairs, pairs.batch(5), rows.batch(5)):
        faces = from_dataset(dataset, ["a", "b", "c"])
        np.testing.assert_array_equal(faces.images, FACES.images)
        np.testing.assert_array_equal(faces.labels, FACES.labels)
        assert faces.class_names == ("a", "b", "c")


def test_labels_in_a_column_are_indices():
    column = FACES.labels[:, None]
    for dataset in (
        tf.data.Dataset.from_tensor_slices((FACES.images, column)),
        tf.data.Dataset.from_tensor_slices((FACES.images, column)).batch(5),
    ):
        np.testing.assert_array_equal(from_dataset(dataset).labels, FACES.labels)


def test_grey_images_need_their_axis():
    grey = FACES.images[..., 0]
    dataset = tf.data.Dataset.from_tensor_slices((grey, FACES.labels))
    for given in (dataset, dataset.batch(5)):
        with pytest.raises(ValueError, match="give grey ones a last axis"):
            from_dataset(given)
    given = tf.data.Dataset.from_tensor_slices((grey[..., None], FACES.labels))
    names = np.array(["a", "b", "c"])
    assert from_dataset(given.batch(5), names).images.shape == (12, 16, 16, 1)


def test_soft_labels_are_no_classes():
    soft = np.full((12, 3), 1 / 3, np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((FACES.images, soft))
    with pytest.raises(ValueError, match="a class index, or a one-hot row"):
        from_dataset(dataset)


def test_a_folder_as_keras_reads_it(tmp_path):
    for row, image in enumerate(FACES.images):
        place = tmp_path / ("anger", "fear", "neutral")[FACES.labels[row]]
        place.mkdir(exist_ok=True)
        cv2.imwrite(str(place / f"{row:02d}.png"), image)
    dataset = keras.utils.image_dataset_from_directory(
        tmp_path, image_size=(16, 16), shuffle=False, batch_size=5
    )
    faces = from_dataset(dataset)
    assert faces.class_names == ("anger", "fear", "neutral")
    assert faces.counts() == {"anger": 4, "fear": 4, "neutral": 4}
    shown = FACES.images[np.flatnonzero(FACES.labels == 0)[0], ..., ::-1]  # BGR on disk
    np.testing.assert_array_equal(faces.images[0], shown)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda images: (images / 255.0, [0] * 12), "leave out a `Rescaling`"),
        (lambda images: (images - 300.0, [0] * 12), "Received values from -300"),
        (lambda images: images, "Expected a data set of pairs"),
    ],
    ids=["scaled", "negative", "alone"],
)
def test_other_data_are_refused(make, error):
    images = FACES.images.astype("float32")
    with pytest.raises(ValueError, match=error):
        from_dataset(tf.data.Dataset.from_tensor_slices(make(images)))


def test_endless_empty_and_mixed_sizes():
    pairs = tf.data.Dataset.from_tensor_slices((FACES.images, FACES.labels))
    with pytest.raises(ValueError, match="an endless one"):
        from_dataset(pairs.repeat())
    with pytest.raises(ValueError, match="an empty data set"):
        from_dataset(pairs.take(0))
    spec = (tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((), tf.int32))
    mixed = tf.data.Dataset.from_generator(
        lambda: iter([(FACES.images[0], 0), (FACES.images[1][:8], 1)]),
        output_signature=spec,
    )
    with pytest.raises(ValueError, match="Expected images of one size"):
        from_dataset(mixed)
    assert from_dataset(mixed, size=(8, 8)).images.shape == (2, 8, 8, 3)


def test_a_data_set_of_hugging_face():
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])}
    )
    rows = {
        "image": [Image.fromarray(image) for image in FACES.images],
        "label": FACES.labels.tolist(),
    }
    given = datasets.Dataset.from_dict(rows, features=features)
    faces = from_hugging_face(given)
    np.testing.assert_array_equal(faces.images, FACES.images)
    assert faces.class_names == ("a", "b", "c")
    with pytest.raises(
        ValueError, match="no column 'face'. Expected one of image, label"
    ):
        from_hugging_face(given, image="face")
