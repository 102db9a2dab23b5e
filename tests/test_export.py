"""Exports: the graph by hand, every scheme in every format, what is refused."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from support.contract import build, faces_of, fit
from support.contract_cases import EACH_ONCE, PLUG_INS, SCHEMES
from support.toys import au_classifier, dense_classifier, map_classifier

import kerasfer
from kerasfer.deploy.export import FILES, Description, ParityError, export_classifier
from kerasfer.deploy.export import formats as formats_module
from kerasfer.deploy.export.graph import ServedModel, resized
from kerasfer.deploy.export.parity import Written, check, encoded
from kerasfer.deploy.export.precision import in_float32
from kerasfer.vision.alignment import CROPS
from kerasfer.vision.images import cv2, resize

ALL = tuple(FILES)
NAMES = ("anger", "fear", "neutral")
DESCRIPTION = Description("expressions", NAMES, (4, 4, 3), temperature=1.5)
UNITS = Description(
    "action_units", ("AU1", "AU4"), (4, 4, 3), thresholds=(0.5, 0.4), temperature=0.7
)


def faces(count=6, shape=(4, 4, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


# --- the graph ---


def test_shrinking_by_whole_numbers_is_the_mean_of_blocks():
    images = faces(2, (6, 8, 3))
    expected = np.zeros((2, 3, 2, 3))
    for row in range(3):
        for column in range(2):
            block = images[:, 2 * row : 2 * row + 2, 4 * column : 4 * column + 4]
            expected[:, row, column] = block.astype(float).mean((1, 2))
    result = resized(images, (3, 2)).numpy()
    assert np.abs(result - expected).max() <= 0.5 + 1e-4  # rounded to whole levels


@pytest.mark.parametrize("source", [(4, 4), (5, 7), (9, 3), (3, 11), (97, 61), (2, 2)])
def test_sizes_change_as_in_training(source):
    """Within a grey level of OpenCV, which reckons in fixed point."""
    images = faces(3, (*source, 3))
    expected = np.stack([resize(image, (4, 4)) for image in images]).astype(float)
    result = resized(images, (4, 4)).numpy()
    assert np.abs(result - expected).max() <= 1
    assert (result == np.round(result)).all()


def test_the_same_size_is_left_alone():
    images = faces()
    np.testing.assert_array_equal(resized(images, (4, 4)), images)


def test_what_the_signatures_say(tmp_path):
    classifier = dense_classifier()
    model = ServedModel(classifier, DESCRIPTION)
    images = faces()
    probs = classifier(images.astype(np.float32))["probs"].numpy() ** (1 / 1.5)
    probs /= probs.sum(-1, keepdims=True)
    found = model.entry_points["images"](images)
    assert set(found) == {"probs", "class_names", "label"}
    np.testing.assert_allclose(found["probs"], probs, atol=1e-6)
    expected = [NAMES[k].encode() for k in probs.argmax(-1)]
    assert [*found["label"].numpy()] == expected
    assert found["class_names"].numpy().tolist() == [[n.encode() for n in NAMES]] * 6
    embedding = model.entry_points["embeddings"](images)
    assert set(embedding) == {"embedding"} and embedding["embedding"].shape == (6, 5)


def test_files_of_mixed_kinds_and_sizes_in_a_batch():
    classifier = dense_classifier()
    model = ServedModel(classifier, DESCRIPTION)
    images = [faces(1, (side, side + 3, 3), seed=side)[0] for side in (9, 4, 30)]
    found = model.entry_points["serving_default"](tf.constant(encoded(images)))
    jpeg = cv2.imdecode(np.frombuffer(encoded(images)[1], np.uint8), 1)
    images[1] = cv2.cvtColor(jpeg, cv2.COLOR_BGR2RGB)
    one_by_one = [
        model.entry_points["images"](image[None])["probs"][0] for image in images
    ]
    np.testing.assert_allclose(found["probs"], one_by_one, atol=1e-6)


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_a_file_that_is_cut_off_is_an_error(kind):
    model = ServedModel(dense_classifier(), DESCRIPTION)
    whole = cv2.imencode(kind, faces(1, (64, 64, 3))[0])[1].tobytes()
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.entry_points["serving_default"](tf.constant([whole[: len(whole) // 2]]))


def test_units_and_decisions():
    classifier = au_classifier(2)
    images = faces(50)
    found = ServedModel(classifier, UNITS).entry_points["images"](images)
    assert set(found) == {"probs", "au_names", "decisions"}
    raw = classifier(images.astype(np.float32))["probs"].numpy()
    # Thresholds are of the probabilities before calibration.
    np.testing.assert_array_equal(found["decisions"], raw >= np.float32([0.5, 0.4]))
    odds = (raw / (1 - raw)) ** (1 / 0.7)
    np.testing.assert_allclose(found["probs"], odds / (1 + odds), rtol=1e-4)


def test_an_empty_batch():
    model = ServedModel(dense_classifier(), DESCRIPTION)
    assert model.entry_points["images"](faces(0))["probs"].shape == (0, 3)


def test_a_classifier_of_mixed_precision_in_float32():
    mixed = map_classifier(dtype="mixed_bfloat16")
    full = in_float32(mixed)
    assert {layer.compute_dtype for layer in full.layers} == {"float32"}
    same = map_classifier()
    same.set_weights(mixed.get_weights())
    images = faces().astype(np.float32)
    np.testing.assert_array_equal(full(images)["probs"], same(images)["probs"])
    assert in_float32(same) is same


# --- round trips ---


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """(scheme, plug-in) -> format -> (what was written, its difference); trained for
    two steps, and checked in one fresh process."""
    written, keys = [], []
    for pair in EACH_ONCE:
        model = build(SCHEMES[pair[0]], PLUG_INS[pair[1]])
        fit(model, steps=2)
        classifier = model.inference_classifier
        names = faces_of(model)[0].class_names or faces_of(model)[0].au_names
        task = "expressions" if faces_of(model)[0].class_names else "action_units"
        thresholds = (0.5,) * len(names) if task == "action_units" else ()
        description = Description(
            task, tuple(names), (4, 4, 3), thresholds, temperature=1.3
        )
        folder = tmp_path_factory.mktemp("-".join(pair))
        for form in ALL:
            path = formats_module.write(form, classifier, description, folder)
            written.append(Written(form, path, classifier, description, faces(5)))
            keys.append((pair, form))
    return dict(zip(keys, zip(written, check(written), strict=True), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize("pair", EACH_ONCE, ids="-".join)
def test_every_scheme_in_every_format(exports, pair, form):
    one, difference = exports[pair, form]
    assert difference <= 1e-5
    predictor = kerasfer.load(one.path)
    assert predictor.description == one.description
    images = faces(7, seed=3)
    raw = one.classifier(images.astype(np.float32), training=False)["probs"].numpy()
    found = predictor(images)
    if one.description.task == "expressions":
        powers = raw.astype(float) ** (1 / 1.3)
        np.testing.assert_allclose(
            found.probs, powers / powers.sum(-1, keepdims=True), atol=1e-5
        )
        np.testing.assert_array_equal(found.decisions.argmax(-1), raw.argmax(-1))
    else:
        np.testing.assert_array_equal(found.decisions, raw >= 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_reduced_precision(tmp_path, precision):
    classifier = map_classifier(dtype=precision)
    description = Description("expressions", NAMES, (4, 4, 3), precision=precision)
    differences = export_classifier(
        classifier, tmp_path / "out", description, faces(), ALL
    )
    assert max(differences.values()) <= 1e-2
    # Equal but for the precision: the SavedModel keeps it.
    assert differences["saved_model"] <= 1e-4


@pytest.mark.slow
def test_grey_and_a_backbone_of_the_users_own(tmp_path):
    import keras

    images = keras.Input((20, 16, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="swish", name="mixed_1")(images)
    x = keras.layers.LayerNormalization()(x)
    backbone = keras.Model(images, x)
    classifier = kerasfer.build_classifier(backbone, (20, 16, 1), 3, "per_plane")
    description = Description("expressions", NAMES, (20, 16, 1), crop=CROPS["arcface"])
    out = tmp_path / "out"
    samples = faces(6, (20, 16, 1))
    differences = export_classifier(classifier, out, description, samples, ALL)
    assert set(differences) == set(ALL) and max(differences.values()) <= 1e-5
    for name in FILES.values():
        predictor = kerasfer.load(out / name)
        assert predictor.description.colour_order == "grey"
        assert predictor.description.crop == CROPS["arcface"]
        colour = np.repeat(samples, 3, axis=-1)  # its grey is each of its planes
        np.testing.assert_allclose(
            predictor(colour).probs, predictor(samples).probs, atol=1e-6
        )


# --- what is refused, and left behind ---


def test_an_export_that_computes_something_else_is_removed(tmp_path, monkeypatch):
    classifier, other = dense_classifier(), dense_classifier()
    write = formats_module._WRITERS["keras"]
    monkeypatch.setitem(
        formats_module._WRITERS, "keras", lambda c, d, path: write(other, d, path)
    )
    with pytest.raises(ParityError, match="keras export differs .* It was removed"):
        export_classifier(
            classifier, tmp_path / "out", DESCRIPTION, faces(), ("keras",)
        )
    assert not list(tmp_path.iterdir())


def test_names_in_another_order_are_found_out(tmp_path, monkeypatch):
    def write_reversed(classifier, description, path):
        other = dataclasses.replace(description, names=description.names[::-1])
        write(classifier, other, path)

    write = formats_module._WRITERS["saved_model"]
    monkeypatch.setitem(formats_module._WRITERS, "saved_model", write_reversed)
    with pytest.raises(ParityError, match="in `(class_names|label)`"):
        export_classifier(dense_classifier(), tmp_path / "out", DESCRIPTION, faces())
    assert not list(tmp_path.iterdir())


def test_an_export_that_does_not_load_is_removed(tmp_path, monkeypatch):
    monkeypatch.setitem(
        formats_module._WRITERS, "keras", lambda c, d, path: path.write_text("broken")
    )
    with pytest.raises(ParityError, match="does not load in a fresh process"):
        export_classifier(
            dense_classifier(), tmp_path / "out", DESCRIPTION, faces(), ("keras",)
        )
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="nothing was changed"):
        export_classifier(dense_classifier(), tmp_path / "out", DESCRIPTION, faces())
    assert (tmp_path / "out/mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formats": ("saved_model", "caffe")}, "`formats` must be some of"),
        ({"formats": ()}, "`formats` must be some of"),
        ({"samples": faces(0)}, "n at least 1"),
        ({"samples": faces(2, (5, 4, 3))}, r"Received: uint8 \(2, 5, 4, 3\)"),
        ({"samples": faces().astype(np.float32)}, "Received: float32"),
        (
            {"description": Description("expressions", ("a", "b"), (4, 4, 3))},
            "3 probabilities for 2 names",
        ),
        (
            {"description": Description("expressions", NAMES, (8, 8, 3))},
            "samples",
        ),
    ],
)
def test_what_does_not_fit(tmp_path, changes, message):
    arguments = {"description": DESCRIPTION, "samples": faces(), **changes}
    with pytest.raises(ValueError, match=message):
        export_classifier(dense_classifier(), tmp_path / "out", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_classifier_of_another_size(tmp_path):
    description = Description("expressions", NAMES, (8, 8, 3))
    with pytest.raises(ValueError, match="classifier takes images of"):
        export_classifier(
            dense_classifier(), tmp_path / "out", description, faces(2, (8, 8, 3))
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "faces"}, "`task` must be one of"),
        ({"names": ("a", "a")}, "must be unique"),
        ({"names": ()}, "must be unique"),
        ({"image_shape": (4, None, 3)}, "fixed sides"),
        ({"image_shape": (4, 4, 2)}, "1 or 3"),
        ({"image_shape": (4, 10**6, 3)}, "at most 4096"),
        ({"temperature": 0.0}, "must be above 0"),
        ({"temperature": float("nan")}, "must be above 0"),
        ({"thresholds": (0.5,)}, "Expected 0 `thresholds`"),
        ({"task": "action_units"}, "Expected 3 `thresholds`"),
        ({"task": "action_units", "thresholds": (0.5, 2.0, 0.5)}, "in \\[0, 1\\]"),
    ],
)
def test_descriptions_that_cannot_be(changes, message):
    fields = {"task": "expressions", "names": NAMES, "image_shape": (4, 4, 3)}
    with pytest.raises(ValueError, match=message):
        Description(**{**fields, **changes})


def test_a_description_is_read_as_it_was_written():
    full = Description(
        "action_units",
        ("AU1", "ÄU2"),
        (4, 4, 1),
        thresholds=(0.25, 1 / 3),
        temperature=1.25,
        crop=CROPS["arcface"],
        precision="mixed_bfloat16",
        licences=("research only",),
        run={"seed": 0, "manifest": None},
        versions={"export": {"keras": "3"}},
    )
    assert Description.from_json(full.to_json()) == full


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expected the description"),
        ("[]", "Expected the description"),
        ("{}", "Expected the description"),
        (DESCRIPTION.to_json().replace('"kerasfer": 1', '"kerasfer": 2'), "format 2"),
        (DESCRIPTION.to_json().replace('"run"', '"ran"'), "does not fit"),
        (DESCRIPTION.to_json().replace("anger", "fear"), "must be unique"),
    ],
)
def test_descriptions_that_cannot_be_read(text, message):
    with pytest.raises(ValueError, match=message):
        Description.from_json(text)


# --- converters of others ---


@pytest.mark.parametrize("description", [DESCRIPTION, UNITS])
def test_a_saved_model_converts_to_int8(description, tmp_path):
    units = description is UNITS
    classifier = au_classifier(2) if units else map_classifier()
    path = formats_module.write("saved_model", classifier, description, tmp_path)
    images = faces(40)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(path), signature_keys=["fixed_size"]
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ({"images": i[None]} for i in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    runner = tf.lite.Interpreter(model_content=converter.convert())
    runner = runner.get_signature_runner("fixed_size")
    found = np.concatenate([runner(images=i[None])["probs"] for i in images])
    expected = ServedModel(classifier, description).entry_points["images"](images)
    assert np.abs(found - expected["probs"].numpy()).max() < 0.05
