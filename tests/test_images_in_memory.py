"""Arrays that users have at hand, where an image or labels are expected."""

import keras
import numpy as np
import pytest
from PIL import Image
from support.toys import dense_classifier, random_faces

import kerasfer
from kerasfer.data import evaluation_dataset, from_arrays, training_dataset
from kerasfer.deploy.export import Description
from kerasfer.schemes import FixMatch, Supervised
from kerasfer.vision.detection import find_faces
from kerasfer.vision.images import as_image

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
IMAGE[0, 0] = 255


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (IMAGE, (6, 4, 3)),
        (IMAGE[..., :1], (6, 4, 1)),
        (IMAGE[..., 0], (6, 4, 1)),
        (Image.fromarray(IMAGE), (6, 4, 3)),
        (Image.fromarray(IMAGE).convert("RGBA"), (6, 4, 3)),
        (Image.fromarray(IMAGE).convert("L"), (6, 4, 1)),
        (Image.fromarray(IMAGE).convert("P"), (6, 4, 3)),
    ],
    ids=["array", "array, one channel", "matrix", "RGB", "RGBA", "L", "P"],
)
def test_images_that_are_taken(image, shape):
    image = as_image(image)
    assert image.shape == shape and image.dtype == np.uint8


WRONG = [
    (IMAGE / 255.0, r"Its largest value is 1: \(255 \* image\).round"),
    (IMAGE.astype("float32"), r"Its largest value is 255: image.round"),
    (IMAGE.astype("uint16") * 257, r"Of 16 bits: \(image // 257\)"),
    (np.dstack([IMAGE, IMAGE[..., 0]]), r"image\[..., :3\]"),
    (IMAGE[:0], "It has no pixel"),
    (IMAGE[None], r"Received: uint8 \(1, 6, 4, 3\)"),
    (np.array(None), "Received: object"),
    (np.zeros((4, 6)), r"Received: float64 \(4, 6\)\."),
]


@pytest.mark.parametrize(("image", "error"), WRONG, ids=[e for _, e in WRONG])
def test_others_say_what_to_do(image, error):
    with pytest.raises(ValueError, match=error):
        as_image(image)


@pytest.mark.parametrize(("image", "error"), WRONG[:4], ids=[e for _, e in WRONG[:4]])
def test_find_faces_refuses_what_it_would_find_nothing_in(image, error):
    description = Description("expressions", ("a", "b"), (48, 48, 3))
    with pytest.raises(ValueError, match=error):
        find_faces(image, description, detector=lambda photo: [])


IMAGES = np.zeros((4, 2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("labels", "options", "error"),
    [
        (np.eye(4), {}, r"labels.argmax\(-1\)"),
        ([0, 0.7, 1, 1], {}, "whole numbers"),
        (["a", "b", "a", "b"], {}, "names of classes go into `class_names`"),
        ([0, float("nan"), 1, 1], {}, "whole numbers"),
        ([0, 1, 0, 1], {"parts": ["train"]}, "`parts` for each of 4 images"),
        ([0, 1, 0, 1], {"subjects": [1, 2]}, "`subjects` for each of 4 images"),
        ([0, 1, 0, 1], {"parts": ["Training"] * 4}, "Received: Training"),
        ([0, 1, 0, 1], {"class_names": ["a", "a"]}, "Two classes have one name"),
    ],
)
def test_from_arrays_refuses(labels, options, error):
    with pytest.raises(ValueError, match=error):
        from_arrays(IMAGES, labels, **options)


def test_from_arrays_takes_whole_floats_and_booleans():
    assert from_arrays(IMAGES, [0.0, 1.0, -1.0, 1.0]).labels.tolist() == [0, 1, -1, 1]
    assert from_arrays(IMAGES, [True, False, True, True]).labels.dtype == np.int32


@pytest.mark.parametrize("scheme", [Supervised, FixMatch])
def test_classes_and_outputs_that_do_not_fit_are_found_before_training(scheme):
    faces = random_faces(12, side=4)  # three classes
    model = scheme(dense_classifier(2))
    model.compile(keras.optimizers.SGD(0.1))
    data = training_dataset(faces, faces, model.all_views, 4)
    error = "The faces have 3 classes .* has 2 outputs. Build it with num_classes=3"
    with pytest.raises(ValueError, match=error):
        model.fit(data, steps_per_epoch=1, verbose=0)
    assert evaluation_dataset(faces).num_targets == 3


# --- backbones that scale pixels themselves ---


def scaling_backbone(layer):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3)(layer(inputs))
    return keras.Model(inputs, x, name="mine")


def test_two_scalings_are_warned_of():
    backbone = scaling_backbone(keras.layers.Rescaling(1 / 255.0, name="scaling"))
    with pytest.warns(UserWarning, match="mine begins with scaling, which scales"):
        kerasfer.build_classifier(backbone, (8, 8, 3), 2)


def test_one_scaling_is_not_warned_of(recwarn):
    backbone = scaling_backbone(keras.layers.Rescaling(1 / 255.0))
    classifier = kerasfer.build_classifier(backbone, (8, 8, 3), 2, normalization="none")
    kerasfer.build_classifier("compact", (16, 16, 3), 2)
    assert not [w for w in recwarn if "scales pixels" in str(w.message)]
    pixels = np.full((1, 8, 8, 3), 200.0, np.float32)
    same = classifier.get_layer("normalization")(pixels)
    np.testing.assert_array_equal(same, pixels)


def test_caffe_is_bgr_less_the_mean():
    layer = kerasfer.layers.ImageNormalization("caffe")
    found = np.asarray(layer(np.array([[[[10.0, 20.0, 30.0]]]])))
    # Blue 30 - 103.939, green 20 - 116.779, red 10 - 123.68.
    np.testing.assert_allclose(found[0, 0, 0], [-73.939, -96.779, -113.68], rtol=1e-5)
    grey = np.asarray(layer(np.array([[[[10.0]]]])))
    np.testing.assert_allclose(grey[0, 0, 0], [10 - 114.7993], rtol=1e-4)


@pytest.mark.parametrize(
    ("outputs", "received"),
    [
        (lambda x: {"map": x, "other": x}, "Received: map, other. Take one"),
        (lambda x: [x, x], "Received: 2 tensors. Take one"),
    ],
)
def test_a_backbone_of_several_outputs_is_refused(outputs, received):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3)(inputs)
    backbone = keras.Model(inputs, outputs(x))
    with pytest.raises(ValueError, match=received):
        kerasfer.build_classifier(backbone, (8, 8, 3), 2)
